"""The TFLite interpreter of this machine. Only this module imports one, when a model is loaded.

Decides the order (ai_edge_litert, then tflite_runtime; never TensorFlow), the number of threads, the CPU kernels, and
how int8 tensors become float numbers. Both runtimes use XNNPACK's kernels. tflite-runtime would use slower ones for
int8 models, so `XnnpackDelegate` sets them (docs/decisions/0007-runtimes.md).
"""

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import BundleError, RuntimeMissingError
from uncia_contract.model.stderr_filter import without_info_lines
from uncia_contract.model.tflite_check import check_model

_RUNTIMES = (("ai_edge_litert", "ai_edge_litert.interpreter"), ("tflite_runtime", "tflite_runtime.interpreter"))
# TFLITE_XNNPACK_DELEGATE_FLAG_QS8 | ..._QU8: int8 and uint8 operations too.
_INT8 = 0x1 | 0x2


@dataclass(frozen=True)
class RuntimeInfo:
    """The runtime that runs a model, as the log and the state message show it: name, version, delegate, threads."""

    name: str
    version: str
    delegate: str
    threads: int = 1

    def __str__(self) -> str:
        threads = f"{self.threads} thread{'s' * (self.threads > 1)}"
        return f"{self.name} {self.version} ({self.delegate}), {threads}"


@dataclass(frozen=True)
class Tensor:
    """A tensor's description: a stored integer means (integer - zero_point) * scale; `scale` is 0 for float tensors."""

    index: int
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    scale: float
    zero_point: int

    def real(self, values: NDArray[Any]) -> NDArray[np.float32]:
        """The float32 numbers that stored values mean; values of a float tensor are not changed."""
        if self.scale == 0.0:
            return values.astype(np.float32)
        return ((values.astype(np.int32) - self.zero_point) * np.float32(self.scale)).astype(np.float32)


class Interpreter:
    """One loaded model with a static uint8 input (1, height, width, 3)."""

    def __init__(
        self,
        model: bytes,
        threads: int = 1,
        delegate: Any = None,
        only: str | None = None,
        keep_all: bool = False,
    ) -> None:
        """Load the model.

        Args:
            model: the flatbuffer's bytes.
            threads: threads of the CPU kernels (XNNPACK); 0 for as many as are useful with this runtime.
            delegate: a loaded delegate to use instead of the CPU kernels.
            only: the runtime to use (ai_edge_litert or tflite_runtime); None for the first that is installed.
            keep_all: keep the result of every operation, so that inner tensors can be read; several times slower.

        Raises:
            RuntimeMissingError: no TFLite runtime is installed.
            BundleError: not a model, or its input is not uint8 (1, height, width, 3).
        """
        check_model(model)
        name, module = _runtime(only)
        threads = threads or _serving_threads(name)
        options = {"model_content": model, "num_threads": threads, "experimental_preserve_all_tensors": keep_all}
        try:
            with without_info_lines():
                kernels, chosen = _kernels(name, module, threads, delegate, keep_all)
                self._interpreter = module.Interpreter(**options, **chosen)
                self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError) as error:
            raise BundleError(f"model.tflite: {name} cannot load it ({error}); expected a TFLite flatbuffer") from error
        self.info = RuntimeInfo(name, metadata.version(name.replace("_", "-")), kernels, threads)
        self.input = _tensor(self._interpreter.get_input_details()[0])
        self.outputs = tuple(_tensor(details) for details in self._interpreter.get_output_details())
        self._check_input(self._interpreter.get_input_details()[0].get("shape_signature", self.input.shape))

    def _check_input(self, signature: Sequence[int]) -> None:
        shape, dtype = tuple(int(side) for side in signature), self.input.dtype
        if dtype != np.uint8 or len(shape) != 4 or shape[0] != 1 or shape[3] != 3 or min(shape) < 1:
            raise BundleError(
                f"model.tflite: input {dtype} {shape}, expected uint8 (1, height, width, 3), all fixed; "
                "make the bundle with uncia-convert bundle"
            )

    @property
    def tensors(self) -> tuple[Tensor, ...]:
        """All named tensors of the graph, including those between operations."""
        return tuple(_tensor(details) for details in self._interpreter.get_tensor_details() if details["name"])

    @property
    def size(self) -> tuple[int, int]:
        """(width, height) of the input in pixels."""
        return self.input.shape[2], self.input.shape[1]

    def before_mean(self, output: Tensor) -> Tensor:
        """The tensor (1, rows, columns, features) whose mean over rows and columns is `output`.

        Raises:
            BundleError: the output is not such a mean.
        """
        tensors = {tensor.index: tensor for tensor in self.tensors}
        for operation in self._interpreter._get_ops_details():
            first = tensors.get(int(operation["inputs"][0]))
            if output.index in operation["outputs"] and operation["op_name"] in ("MEAN", "AVERAGE_POOL_2D") and first:
                return first
            if output.index in operation["outputs"] and operation["op_name"] == "RESHAPE" and first:
                return self.before_mean(first)
        raise BundleError(f"model.tflite: {output.name} is no mean of a feature map; it has no activation map")

    def run(self, image: NDArray[np.uint8], outputs: Sequence[Tensor]) -> list[NDArray[np.float32]]:
        """Run the model on one uint8 (height, width, 3) image; return the outputs as float32 without the batch axis."""
        self._interpreter.set_tensor(self.input.index, image[np.newaxis])
        self._interpreter.invoke()
        return [tensor.real(self._interpreter.get_tensor(tensor.index)[0]) for tensor in outputs]


def load_delegate(library: str) -> Any:
    """Load the delegate in a shared library, such as `libedgetpu.so.1`. A wrong version may crash the process.

    Raises:
        BundleError: no such library, or no device behind it.
    """
    _, module = _runtime()
    try:
        delegate = module.load_delegate(library)
    except (ValueError, OSError, AttributeError, RuntimeError) as error:
        raise BundleError(f"{Path(library).name}: cannot be loaded as a delegate ({error or 'no device'})") from error
    delegate.name = library.rsplit("/", 1)[-1].split(".", maxsplit=1)[0].removeprefix("lib")
    return delegate


def _kernels(name: str, module: Any, threads: int, delegate: Any, keep_all: bool) -> tuple[str, dict[str, Any]]:
    """The name of the kernels or delegate, and the interpreter's options that select them."""
    plain = {"experimental_op_resolver_type": module.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES}
    if delegate is not None:
        return getattr(delegate, "name", type(delegate).__name__), {"experimental_delegates": [delegate]}
    if keep_all:
        return "none", plain
    if name == "ai_edge_litert":
        return "XNNPACK", {"experimental_op_resolver_type": module.OpResolverType.BUILTIN}
    made = xnnpack_for_int8(module, threads)
    return ("none", plain) if made is None else ("XNNPACK", {**plain, "experimental_delegates": [made]})


class _Options(ctypes.Structure):
    """The first fields of TfLiteXNNPackDelegateOptions, with space for fields that other versions add."""

    _fields_ = (("num_threads", ctypes.c_int32), ("flags", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 248))


class XnnpackDelegate:
    """XNNPACK for int8 models on tflite-runtime, whose default kernels for them are slower.

    tflite-runtime 2.14 contains XNNPACK but uses it for float models only. Its library exports the C interface
    (`tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h`), so the delegate is made through ctypes; it is freed
    together with the interpreter that holds it. Measured on x86-64, EfficientNet-Lite0 int8, one thread: an invocation
    takes 82 ms of processor time without it and 12 ms with it, and gives the same features as ai-edge-litert.
    """

    name = "XNNPACK"

    def __init__(self, library: ctypes.CDLL, threads: int) -> None:
        library.TfLiteXNNPackDelegateOptionsDefault.restype = _Options
        library.TfLiteXNNPackDelegateCreate.restype = ctypes.c_void_p
        library.TfLiteXNNPackDelegateCreate.argtypes = [ctypes.POINTER(_Options)]
        library.TfLiteXNNPackDelegateDelete.argtypes = [ctypes.c_void_p]
        options = library.TfLiteXNNPackDelegateOptionsDefault()
        options.num_threads, options.flags = threads, options.flags | _INT8
        self._library = library
        self._pointer = library.TfLiteXNNPackDelegateCreate(ctypes.byref(options))

    def __del__(self) -> None:
        if getattr(self, "_pointer", None):
            self._library.TfLiteXNNPackDelegateDelete(self._pointer)

    def _get_native_delegate_pointer(self) -> int | None:
        pointer: int | None = self._pointer
        return pointer


def xnnpack_for_int8(module: Any, threads: int) -> XnnpackDelegate | None:
    """The XNNPACK delegate for a runtime's interpreter module; None where its library does not export XNNPACK."""
    try:
        library = ctypes.CDLL(module._interpreter_wrapper.__file__)
        return XnnpackDelegate(library, threads)
    except (AttributeError, OSError):
        return None


def _serving_threads(name: str) -> int:
    """The useful number of threads: one per core, at most four; one where waiting threads use processor time.

    See docs/decisions/0007-runtimes.md.
    """
    return min(4, len(os.sched_getaffinity(0))) if name == "ai_edge_litert" else 1


def _runtime(only: str | None = None) -> tuple[str, Any]:
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
