"""Runs a float model so that every tensor can be read afterwards (plain kernels, all tensors kept)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class FloatRunner:
    """A loaded TFLite model with one float32 input."""

    def __init__(self, model: bytes) -> None:
        from ai_edge_litert import interpreter as litert

        self._runner = litert.Interpreter(
            model_content=model,
            num_threads=2,
            experimental_preserve_all_tensors=True,
            experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
        )
        self._runner.allocate_tensors()
        self.input = int(self._runner.get_input_details()[0]["index"])

    def run(self, picture: NDArray[np.uint8]) -> None:
        """Run the model on a uint8 (1, height, width, 3) picture."""
        self._runner.set_tensor(self.input, picture.astype(np.float32))
        self._runner.invoke()

    def tensor(self, index: int) -> NDArray[Any]:
        """The values of a tensor after the last run."""
        values: NDArray[Any] = self._runner.get_tensor(index)
        return values
