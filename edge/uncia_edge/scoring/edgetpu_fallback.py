"""A classifier on an accelerator that changes to the CPU when the accelerator fails or is unplugged.

The picture at which it fails and all later ones are scored by the CPU. This is logged once. The accelerator is used
again only after the next start of the trap, which tests it in a child process (`delegate`).
"""

import logging
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.interpreter import RuntimeInfo

_log = logging.getLogger(__name__)


class AcceleratedClassifier(Classifier):
    """A classifier on an accelerator, and on the CPU once that has failed; `problem` says why, None while it works."""

    def __init__(self, bundle: Bundle, threads: int, delegate: Any, model: str) -> None:
        """Load the model on the accelerator and run the bundle's probes there.

        Raises:
            BundleError: the accelerator cannot load the model, or its scores of the probes are wrong.
            RuntimeError: the accelerator fails at once.
        """
        self.problem: str | None = None
        self._bundle, self._threads, self._proven = bundle, threads, False
        self._cpu: Classifier | None = None
        super().__init__(bundle, threads, delegate, model)
        self.check_probes()
        self._proven = True

    @property
    def info(self) -> RuntimeInfo:
        """The runtime that runs the model now."""
        return self._interpreter.info if self._cpu is None else self._cpu.info

    def outputs(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """The model's outputs for one input (see `Classifier.outputs`), from the accelerator or the CPU."""
        if self._cpu is None:
            try:
                return super().outputs(image)
            except RuntimeError as error:
                if not self._proven:
                    raise
                self._cpu = self._fall_back(error)
        return self._cpu.outputs(image)

    def _fall_back(self, error: RuntimeError) -> Classifier:
        self.problem = f"delegate {self._interpreter.info.delegate} failed: {str(error).strip()[:150]}"
        _log.error("%s; the CPU scores from now on", self.problem)
        cpu = Classifier(self._bundle, self._threads)
        cpu.check_probes()
        return cpu
