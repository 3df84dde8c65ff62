"""Clipping ranges of activations: narrower than the extremes, chosen for the least squared error.

A tensor's range is divided into 255 steps, so rare extreme values make every step coarse. The range is therefore
reduced until the error of rounding and clipping together is least, measured on calibration pictures. The output keeps
its full range, because the head reads it. The parts of TensorFlow's converter are called one after the other, because
the converter as a whole uses only the extremes. Measured gain: docs/decisions/0004-quantization.md.
"""

import copy
from collections.abc import Sequence

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import pack, unpack
from uncia_backbones.quantization.float_runner import FloatRunner
from uncia_contract.model.stderr_filter import silenced_unless_error

VALUES_A_PICTURE = 2000
SHARES = np.linspace(0.3, 1.0, 29)

Image8 = NDArray[np.uint8]


def least_loss_ranges(calibrated: bytes, pictures: Sequence[Image8]) -> dict[int, tuple[float, float]]:
    """The range (low, high) with the least loss, by tensor, of a float model with recorded ranges (`calibrated`)."""
    seen = sampled_activations(calibrated, pictures)
    return {index: least_loss(values) for index, values in seen.items()}


def quantized(calibrated: bytes, ranges: dict[int, tuple[float, float]], per_channel: bool = True) -> bytes:
    """The float model quantized to integers, with uint8 input; `ranges` replace the recorded ranges of some tensors."""
    from tensorflow.lite.python.convert import mlir_quantize

    model = unpack(calibrated)
    for index, (low, high) in ranges.items():
        quantization = model.subgraphs[0].tensors[index].quantization
        quantization.min, quantization.max = np.array([low], np.float32), np.array([high], np.float32)
    with silenced_unless_error():
        done = mlir_quantize(pack(model), disable_per_channel=not per_channel, fully_quantize=True)
    return _with_uint8_input(done)


def sampled_activations(calibrated: bytes, pictures: Sequence[Image8]) -> dict[int, NDArray[np.float32]]:
    """A sample of the values of each activation, including its extremes, by tensor."""
    tensors = unpack(calibrated).subgraphs[0].tensors
    runner = FloatRunner(calibrated)
    fixed = (runner.input, *(int(index) for index in unpack(calibrated).subgraphs[0].outputs))
    ranged = [i for i, tensor in enumerate(tensors) if tensor.quantization and tensor.quantization.min is not None]
    chance = np.random.default_rng(0)
    values: dict[int, list[NDArray[np.float32]]] = {index: [] for index in ranged if index not in fixed}
    for picture in pictures:
        runner.run(picture)
        for index, kept in values.items():
            flat = runner.tensor(index).reshape(-1)
            extremes = np.array([flat.min(), flat.max()], np.float32)
            kept.append(np.concatenate([chance.choice(flat, min(VALUES_A_PICTURE, flat.size)), extremes]))
    return {index: np.concatenate(kept) for index, kept in values.items()}


def least_loss(values: NDArray[np.float32]) -> tuple[float, float]:
    """The range (low, high) with the least error of rounding and clipping together, of ranges reduced in steps."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
    losses = []
    for share in SHARES:
        scale = (high - low) * share / 255
        rounded = np.clip(np.round(values / scale), np.round(low * share / scale), np.round(high * share / scale))
        losses.append(float(((rounded * scale - values) ** 2).mean()))
    best = float(SHARES[int(np.argmin(losses))])
    return low * best, high * best


def _with_uint8_input(model: bytes) -> bytes:
    """The model with a QUANTIZE operator in front, so that its input is uint8 instead of int8."""
    unpacked = unpack(model)
    graph = unpacked.subgraphs[0]
    signed = graph.tensors[graph.inputs[0]]  # `mlir_quantize` does not add a QUANTIZE operator itself
    pixels = copy.deepcopy(signed)
    pixels.name, pixels.type, pixels.buffer = b"pixels", schema.TensorType.UINT8, 0
    pixels.quantization.zeroPoint = np.asarray(signed.quantization.zeroPoint) + 128
    graph.tensors.append(pixels)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    unpacked.operatorCodes.append(code)
    step = schema.OperatorT()
    step.opcodeIndex = len(unpacked.operatorCodes) - 1
    step.inputs = np.array([len(graph.tensors) - 1], np.int32)
    step.outputs = np.array([graph.inputs[0]], np.int32)
    graph.operators.insert(0, step)
    graph.inputs = step.inputs
    whole: bytes = pack(unpacked)
    return whole
