"""A float model run so that every tensor can be read: plain kernels, nothing overwritten."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


class FloatRunner:
    """One loaded TFLite model with one float32 input."""

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
        """With uint8 (1, height, width, 3)."""
        self._runner.set_tensor(self.input, picture.astype(np.float32))
        self._runner.invoke()

    def tensor(self, index: int) -> NDArray[Any]:
        """What the last run left in a tensor."""
        values: NDArray[Any] = self._runner.get_tensor(index)
        return values
