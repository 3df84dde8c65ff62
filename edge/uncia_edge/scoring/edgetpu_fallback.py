"""An accelerator that may go away: unplugged, or failing in the middle of a burst.

Decides that the picture at which it fails is scored by the CPU, and everything after it; that this is said once, and
that nothing goes back to the accelerator before the trap starts anew and tries it in a child process.
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
    """A classifier on an accelerator until that fails, from then on the CPU; `problem` says why (None: it works)."""

    def __init__(self, bundle: Bundle, threads: int, delegate: Any, model: str) -> None:
        """Loads the model on the accelerator and reproduces the bundle's probes there.

        Raises:
            BundleError: the accelerator cannot load the model, or does not reproduce the probes.
            RuntimeError: it fails at once.
        """
        self.problem: str | None = None
        self._bundle, self._threads, self._proven = bundle, threads, False
        self._cpu: Classifier | None = None
        super().__init__(bundle, threads, delegate, model)
        self.check_probes()
        self._proven = True

    @property
    def info(self) -> RuntimeInfo:
        """Of what runs the model now."""
        return self._interpreter.info if self._cpu is None else self._cpu.info

    def outputs(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        """Features, and the map if there is one, of one model input, from whichever still works."""
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
        _log.error("%s; the CPU takes over", self.problem)
        cpu = Classifier(self._bundle, self._threads)
        cpu.check_probes()
        return cpu
