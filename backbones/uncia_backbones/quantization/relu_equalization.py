"""Cross-layer equalization of ReLU channels: each is scaled so that all have similar ranges.

A ReLU commutes with scaling. If the activations of a channel stay below m, the channel can be multiplied by `top / m`
while the convolutions that read it divide their weights by the same factor. In float the network computes the same; in
integers the channel has `top / m` times as many steps (cross-layer equalization: Nagel et al. 2019). After a ReLU6, top
is 6, and the result is the same only for activations up to m; after a plain ReLU, top is the m of the highest channel.
Depthwise weights have a scale for each channel, so there is no loss; the weights of other convolutions share a scale
over their inputs, so there the factor is reduced. Measured gain: docs/decisions/0004-quantization.md.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import operator_name, pack, unpack
from uncia_backbones.quantization.linear_equalization import (
    Array,
    constants,
    extremes_by_channel,
    output_of,
    put_constants,
)

LARGEST_FACTOR = 8.0
# The highest measured activation is multiplied by this, because other pictures have higher ones and a ReLU6 clips them.
MARGIN = 1.3
POWER_OF_DENSE = 0.5
_RELU, _RELU6, _SIX = 1, 3, 6.0
_THROUGH = ("PAD", "MAX_POOL_2D")  # operators that commute with scaling of values that are never below 0


def relu_equalized(
    calibrated: bytes, pictures: Sequence[NDArray[np.uint8]], power_of_dense: float = POWER_OF_DENSE
) -> bytes:
    """The float model with the channels after each ReLU equalized.

    Args:
        calibrated: a float TFLite model.
        pictures: uint8 (1, height, width, 3) each; the highest activation of each channel is measured on them.
        power_of_dense: exponent of the factor where a dense convolution reads: 1 for the whole factor, 0 for none.
    """
    model = unpack(calibrated)
    found = list(_read(model))
    extremes = extremes_by_channel(calibrated, [output_of(writer) for writer, _ in found], pictures)
    for writer, readers in found:
        factors = _factors(writer, extremes[output_of(writer)][1])
        dense = not all(_is_depthwise(model, one) for one in readers)
        _scale_channels(model, writer, readers, factors ** (power_of_dense if dense else 1.0))
    changed: bytes = pack(model)
    return changed


def _read(model: Any) -> Iterator[tuple[Any, list[Any]]]:
    """Each convolution with a ReLU that only convolutions read, with these convolutions."""
    graph = model.subgraphs[0]
    for writer in graph.operators:
        if not _rectifies(model, writer) or output_of(writer) in {int(index) for index in graph.outputs}:
            continue
        readers = _readers(model, output_of(writer))
        if all(_is_depthwise(model, one) or operator_name(model, one) == "CONV_2D" for one in readers):
            yield writer, readers


def _readers(model: Any, tensor: int) -> list[Any]:
    """The operators that read a tensor, directly or after a padding or max pooling (`_THROUGH`)."""
    found = []
    for one in model.subgraphs[0].operators:
        if tensor in {int(index) for index in one.inputs}:
            through = operator_name(model, one) in _THROUGH
            found += (_readers(model, output_of(one)) if through else []) or [one]
    return found


def _factors(writer: Any, highest: Array) -> Array:
    if writer.builtinOptions.fusedActivationFunction == _RELU6:
        return np.clip(_SIX / np.maximum(MARGIN * highest, 1e-6), 1.0, LARGEST_FACTOR)
    return np.clip(highest.max() / np.maximum(highest, 1e-6), 1.0, LARGEST_FACTOR)


def _rectifies(model: Any, one: Any) -> bool:
    convolves = operator_name(model, one) in ("CONV_2D", "DEPTHWISE_CONV_2D")
    return convolves and one.builtinOptions.fusedActivationFunction in (_RELU, _RELU6)


def _is_depthwise(model: Any, one: Any) -> bool:
    return operator_name(model, one) == "DEPTHWISE_CONV_2D" and one.builtinOptions.depthMultiplier == 1


def _scale_channels(model: Any, writer: Any, readers: Sequence[Any], factors: Array) -> None:
    weights, bias = constants(model, writer)
    along_outputs = factors if _is_depthwise(model, writer) else factors[:, None, None, None]
    put_constants(model, writer, weights * along_outputs, bias * factors)
    for reader in readers:
        weights, bias = constants(model, reader)
        put_constants(model, reader, weights / factors, bias)
