"""Channels behind a ReLU6, each stretched to the whole of 0 to 6 so that one range of integers suits them all.

ReLU6 commutes with scaling as long as nothing reaches the 6. A channel whose activations stay below m can therefore be
written `6 / m` times as large, while the convolution that reads it divides its weights by the same: in float the
network computes the same for activations up to m, and in integers that channel has `6 / m` times as many steps
(cross-layer equalization: Nagel et al. 2019). Depthwise weights have a scale for each channel, so there it costs
nothing; a 1x1 convolution's weights share a scale over what they read, so there the stretch is moderated.
What it brought: docs/decisions/0004-quantization.md.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import operator_name, pack, unpack
from uncia_backbones.streams import Array, constants, extremes_by_channel, is_1x1, output_of, put_constants

LARGEST_STRETCH = 8.0
MARGIN = 1.3  # beyond the highest activation seen: the 6 clips what is higher, and other pictures go higher
POWER_OF_1X1 = 0.5
_RELU6, _SIX = 3, 6.0


def stretched(calibrated: bytes, pictures: Sequence[NDArray[np.uint8]], power_of_1x1: float = POWER_OF_1X1) -> bytes:
    """The float model with the channels behind each ReLU6 stretched.

    Args:
        calibrated: float TFLite.
        pictures: uint8 (1, height, width, 3): their activations tell each channel's highest.
        power_of_1x1: of the stretch where a 1x1 convolution reads: 1 for all of it, 0 for none.
    """
    model = unpack(calibrated)
    found = list(_pairs(model))
    extremes = extremes_by_channel(calibrated, [output_of(writer) for writer, _ in found], pictures)
    for writer, reader in found:
        highest = MARGIN * extremes[output_of(writer)][1]
        stretch = np.clip(_SIX / np.maximum(highest, 1e-6), 1.0, LARGEST_STRETCH)
        _stretch(model, writer, reader, stretch ** (1.0 if _is_depthwise(model, reader) else power_of_1x1))
    changed: bytes = pack(model)
    return changed


def _pairs(model: Any) -> Iterator[tuple[Any, Any]]:
    """Convolutions with ReLU6, each with the one convolution that reads it channel by channel or at one place."""
    graph = model.subgraphs[0]
    for writer in graph.operators:
        if not _rectifies(model, writer) or output_of(writer) in {int(index) for index in graph.outputs}:
            continue
        readers = [one for one in graph.operators if output_of(writer) in {int(index) for index in one.inputs}]
        if len(readers) == 1 and (_is_depthwise(model, readers[0]) or is_1x1(model, readers[0])):
            yield writer, readers[0]


def _rectifies(model: Any, one: Any) -> bool:
    convolves = operator_name(model, one) in ("CONV_2D", "DEPTHWISE_CONV_2D")
    return convolves and one.builtinOptions.fusedActivationFunction == _RELU6


def _is_depthwise(model: Any, one: Any) -> bool:
    return operator_name(model, one) == "DEPTHWISE_CONV_2D" and one.builtinOptions.depthMultiplier == 1


def _stretch(model: Any, writer: Any, reader: Any, stretch: Array) -> None:
    weights, bias = constants(model, writer)
    along_outputs = stretch if _is_depthwise(model, writer) else stretch[:, None, None, None]
    put_constants(model, writer, weights * along_outputs, bias * stretch)
    weights, bias = constants(model, reader)
    put_constants(model, reader, weights / stretch, bias)
