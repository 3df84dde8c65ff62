"""The TFLite interpreter, whichever this machine has: the only module that imports one, and only when asked.

Decides the order (ai_edge_litert, then tflite_runtime; never TensorFlow), threads, and what an int8 tensor means in
numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError, RuntimeMissingError

_RUNTIMES = (("ai_edge_litert", "ai_edge_litert.interpreter"), ("tflite_runtime", "tflite_runtime.interpreter"))


@dataclass(frozen=True)
class RuntimeInfo:
    """What runs the model: `name` (with version) and `delegate`, as log and state message say it."""

    name: str
    version: str
    delegate: str


@dataclass(frozen=True)
class Tensor:
    """A tensor as the interpreter describes it: `scale` and `zero_point` turn integers into numbers."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def real(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """float32 numbers that the stored values stand for; float tensors pass unchanged."""
        if self.scale == 0.0:
            return values.astype(np.float32)
        return ((values.astype(np.int32) - self.zero_point) * np.float32(self.scale)).astype(np.float32)


class Interpreter:
    """One loaded model with a static uint8 input (1, height, width, 3)."""

    def __init__(self, model: bytes, threads: int = 1, delegate: Any = None, only: str | None = None) -> None:
        """Loads the model.

        Args:
            model: the flatbuffer.
            threads: of the CPU kernels (XNNPACK).
            delegate: a loaded delegate in place of the CPU kernels.
            only: name of the one runtime to use (ai_edge_litert or tflite_runtime), None for the first that is there.

        Raises:
            RuntimeMissingError: no TFLite runtime is installed.
            BundleError: not a model, or one with another kind of input than uint8 (1, height, width, 3).
        """
        name, module = _runtime(only)
        try:
            self._interpreter = module.Interpreter(
                model_content=model,
                num_threads=threads,
                experimental_delegates=[delegate] if delegate is not None else None,
            )
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"model.tflite: {name} cannot load it ({error})") from error
        self.info = RuntimeInfo(
            name, metadata.version(name.replace("_", "-")), "XNNPACK" if delegate is None else str(delegate)
        )
        self.input = _tensor(self._interpreter.get_input_details()[0])
        self.outputs = tuple(_tensor(details) for details in self._interpreter.get_output_details())
        self._check_input()

    def _check_input(self) -> None:
        shape, dtype = self.input.shape, self.input.dtype
        if dtype != np.uint8 or len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or min(shape) < 1:
            raise BundleError(f"model.tflite: input {dtype} {shape}, expected uint8 (1, height, width, 3), all fixed")

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the input in pixels."""
        return self.input.shape[2], self.input.shape[1]

    def run(self, image: NDArray[np.uint8], outputs: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """The outputs for one uint8 (height, width, 3) image, as float32 numbers without the batch axis."""
        self._interpreter.set_tensor(self.input.index, image[np.newaxis])
        self._interpreter.invoke()
        return [tensor.real(self._interpreter.get_tensor(tensor.index)[0]) for tensor in outputs]


def _runtime(only: str | None) -> tuple[str, Any]:
    for name, module in _RUNTIMES:
        if only in (None, name):
            try:
                return name, import_module(module)
            except ImportError:
                continue
    raise RuntimeMissingError(
        f"no TFLite runtime: expected {only or 'ai-edge-litert or tflite-runtime'}; install it with "
        "pip install 'uncia[edge]'"
    )


def _tensor(details: dict[str, Any]) -> Tensor:
    scale, zero_point = details["quantization"]
    shape = tuple(int(side) for side in details["shape"])
    return Tensor(details["index"], details["name"], shape, np.dtype(details["dtype"]), float(scale), int(zero_point))
