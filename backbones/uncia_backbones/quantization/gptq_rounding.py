"""GPTQ: rounds weights to integers so that their errors cancel on the calibration pictures.

If each weight is rounded to the nearest integer, the errors add up. But a convolution's inputs are correlated, so other
weights can compensate an error. The weights of an output are rounded one after the other; each error is distributed
over the weights that follow, by the covariance of the inputs on calibration pictures (GPTQ: Frantar et al. 2022, after
the optimal brain surgeon). The mean error that remains is added to the bias. Scales, operators and run time do not
change.
Measured gain: docs/decisions/0004-quantization.md.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import constant, operator_name, pack, store, unpack
from uncia_backbones.quantization.float_runner import FloatRunner
from uncia_contract.errors import BundleError

PLACES = 200  # about so many places of a feature map are used per picture; neighbours are nearly equal
DAMPING = 0.01  # share of the mean variance added to each variance; inputs that hardly vary are rounded to the nearest
LARGEST = 127
_DENSE, _DEPTHWISE = "CONV_2D", "DEPTHWISE_CONV_2D"

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean (groups, inputs) and covariance (groups, inputs, inputs) of a convolution's inputs.

    A dense convolution has one group, a depthwise convolution one for each channel.
    """

    mean: Array
    covariance: Array


def gptq_rounded(
    int8: bytes,
    float32: bytes,
    pictures: Sequence[NDArray[np.uint8]],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bytes:
    """The integer model with the weights of its convolutions rounded by GPTQ.

    Args:
        int8: a full-integer model with weights quantized per channel.
        float32: the same graph in float.
        pictures: uint8 (1, height, width, 3) each; the covariances are computed from them.
        progress: called with the number of pictures done and the number of all.

    Raises:
        BundleError: the two models have different convolutions.
    """
    integers, source = unpack(int8), unpack(float32)
    integer, real = _shapes(integers), _shapes(source)
    if integer != real:
        raise BundleError(f"{len(integer)} convolutions in int8, {len(real)} in float; expected the same ones")
    layers = list(_convolutions(source))
    moments = input_moments(float32, layers, pictures, progress)
    for target, layer, seen in zip(_convolutions(integers), layers, moments, strict=True):
        _round_layer(integers, target, constant(source, source.subgraphs[0].tensors[layer.inputs[1]], np.float32), seen)
    return pack(integers)


def input_moments(
    model: bytes,
    layers: Sequence[Any],
    pictures: Sequence[NDArray[np.uint8]],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[Moments]:
    """The moments of the inputs of `layers` (convolutions) over the pictures, computed in float, in the same order."""
    unpacked = unpack(model)
    graph = unpacked.subgraphs[0]
    runner = FloatRunner(model)
    unfolds = [_im2col(unpacked, graph.tensors[layer.inputs[1]].shape, layer) for layer in layers]
    sums = [_MomentSums() for _ in layers]
    for number, picture in enumerate(pictures, start=1):
        runner.run(picture)
        progress(number, len(pictures))
        for layer, unfold, total in zip(layers, unfolds, sums, strict=True):
            total.add(unfold(runner.tensor(int(layer.inputs[0]))[0]))
    return [one.moments() for one in sums]


class _MomentSums:
    """Sums of inputs (groups, places, inputs) and of their products, in float64."""

    def __init__(self) -> None:
        self.count = 0
        self.total: Any = 0.0
        self.products: Any = 0.0

    def add(self, rows: NDArray[np.float32]) -> None:
        self.count += rows.shape[1]
        self.total += rows.sum(axis=1, dtype=np.float64)
        products = rows.transpose(0, 2, 1) @ rows
        if isinstance(self.products, float):
            self.products = products.astype(np.float64)
        else:
            self.products += products  # in place, because it has tens of megabytes for a wide layer

    def moments(self) -> Moments:
        mean = self.total / self.count
        return Moments(mean, self.products / self.count - mean[:, :, np.newaxis] * mean[:, np.newaxis, :])


def round_rows(weights: Array, covariance: Array, scale: Array) -> NDArray[np.int8]:
    """The integers for weights (outputs, inputs) in steps of `scale` (outputs,), rounded by GPTQ."""
    size = weights.shape[1]
    damped = covariance + np.eye(size) * max(DAMPING * float(np.trace(covariance)) / size, 1e-12)
    spread = np.linalg.cholesky(np.linalg.inv(damped)).T
    left, whole = weights.copy(), np.empty(weights.shape, np.int8)
    for at in range(size):
        whole[:, at] = np.clip(np.round(left[:, at] / scale), -LARGEST, LARGEST)
        error = (left[:, at] - whole[:, at] * scale) / spread[at, at]
        left[:, at + 1 :] -= np.outer(error, spread[at, at + 1 :])
    return whole


def _round_layer(model: Any, layer: Any, weights: NDArray[np.float32], seen: Moments) -> None:
    graph = model.subgraphs[0]
    tensor = graph.tensors[layer.inputs[1]]
    scale = np.asarray(tensor.quantization.scale, np.float64)
    rows, back = _as_matrix(weights.astype(np.float64), operator_name(model, layer) == _DEPTHWISE)
    if len(seen.mean) == 1:
        whole = round_rows(rows, seen.covariance[0], scale)
    else:
        ones = zip(rows[:, np.newaxis], seen.covariance, scale[:, np.newaxis], strict=True)
        whole = np.concatenate([round_rows(*one) for one in ones])
    lost = ((rows - whole * scale[:, np.newaxis]) * seen.mean).sum(axis=1)
    store(model, tensor, back(whole))
    if layer.inputs[2] >= 0:
        bias = graph.tensors[layer.inputs[2]]
        moved = np.round(lost / np.asarray(bias.quantization.scale, np.float64))
        store(model, bias, constant(model, bias, np.int32) + moved.astype(np.int32))


def _as_matrix(weights: Array, depthwise: bool) -> tuple[Array, Callable[[NDArray[np.int8]], NDArray[np.int8]]]:
    """The weights as (outputs, inputs), and a function that gives such a matrix the former shape again."""
    if depthwise:
        shape = weights.shape
        return weights.reshape(-1, shape[-1]).T.copy(), lambda rows: rows.T.reshape(shape)
    return weights.reshape(len(weights), -1), lambda rows: rows.reshape(weights.shape)


def _im2col(model: Any, shape: Sequence[int], layer: Any) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """A function from a feature map (rows, columns, channels) to the convolution's inputs (groups, places, inputs)."""
    height, width = int(shape[1]), int(shape[2])
    options = layer.builtinOptions
    stride, same = (int(options.strideH), int(options.strideW)), int(options.padding) == 0
    depthwise = operator_name(model, layer) == _DEPTHWISE

    def unfold(values: NDArray[np.float32]) -> NDArray[np.float32]:
        padded = _padded(values, (height, width), stride) if same else values
        windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(0, 1))
        chosen = _some(windows[:: stride[0], :: stride[1]])
        if depthwise:
            return np.ascontiguousarray(chosen.reshape(*chosen.shape[:2], -1).transpose(1, 0, 2))
        return chosen.transpose(0, 2, 3, 1).reshape(1, len(chosen), -1)

    return unfold


def _some(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Some windows (places, channels, height, width) of all (rows, columns, channels, height, width)."""
    count, columns = windows.shape[0] * windows.shape[1], windows.shape[1]
    row, column = np.divmod(np.arange(0, count, max(1, count // PLACES)), columns)
    return windows[row, column]


def _padded(values: NDArray[np.float32], window: tuple[int, int], stride: tuple[int, int]) -> NDArray[np.float32]:
    sides = []
    for size, extent, step in zip(values.shape, window, stride, strict=False):
        missing = max((-(-size // step) - 1) * step + extent - size, 0)
        sides.append((missing // 2, missing - missing // 2))
    return np.pad(values, [*sides, (0, 0)])


def _convolutions(model: Any) -> Iterator[Any]:
    return (one for one in model.subgraphs[0].operators if operator_name(model, one) in (_DENSE, _DEPTHWISE))


def _shapes(model: Any) -> list[list[int]]:
    tensors = model.subgraphs[0].tensors
    return [[int(side) for side in tensors[layer.inputs[1]].shape] for layer in _convolutions(model)]
