"""Cross-layer equalization of the linear streams between blocks: one range of integers suits all their channels.

An activation has one scale for all its channels; where one channel spans ten times another's range, the other is left
with a tenth of the steps. Between blocks no nonlinearity stands in the way: a convolution without activation may give
`(x - middle) * scale` for each channel, and the 1x1 convolutions that read it take the inverse into their weights and
biases. In float the network computes the same; only the integers' steps become finer (cross-layer equalization:
Nagel et al. 2019, here on linear streams, where it is exact). What it brought: docs/decisions/0004-quantization.md.
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import constant, operator_name, pack, store, unpack
from uncia_backbones.quantization.float_runner import FloatRunner

LARGEST_SCALE = 16.0
# 1 makes activations finest, but the weights that read them coarser, unless they have a scale for each channel.
POWER, POWER_OF_DEPTHWISE = 0.5, 1.0
_NO_ACTIVATION = 0

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stream:
    """Tensors of equal channels that additions tie together.

    Attributes:
        writers: convolutions without activation whose output is one of the tensors.
        additions: of two of the tensors into a third, in the graph's order.
        readers: 1x1 convolutions of one of the tensors.
    """

    writers: tuple[Any, ...]
    additions: tuple[Any, ...]
    readers: tuple[Any, ...]


def linear_equalized(calibrated: bytes, pictures: Sequence[NDArray[np.uint8]], power: float | None = None) -> bytes:
    """The float model with the channels of its linear streams centred and equalized; its outputs are the same.

    Args:
        calibrated: float TFLite.
        pictures: uint8 (1, height, width, 3): their activations tell each channel's range.
        power: 1 gives each channel the same range, 0 changes only their middles; None what suits the readers.
    """
    model = unpack(calibrated)
    found = list(streams(model))
    tensors = [output_of(one) for stream in found for one in stream.writers + stream.additions]
    extremes = extremes_by_channel(calibrated, tensors, pictures)
    for stream in found:
        depthwise = all(operator_name(model, one) == "DEPTHWISE_CONV_2D" for one in stream.readers)
        suited = POWER_OF_DEPTHWISE if depthwise else POWER
        _equalize(model, stream, extremes, suited if power is None else power)
    changed: bytes = pack(model)
    return changed


def streams(model: Any) -> Iterator[Stream]:
    """Those that nothing but additions and 1x1 convolutions read, and that are no output of the model."""
    graph = model.subgraphs[0]
    linear = [one for one in graph.operators if _writes_linearly(model, one)]
    for tensors in _tied(model, linear):
        inside = [one for one in linear if output_of(one) in tensors]
        additions = [one for one in inside if operator_name(model, one) == "ADD"]
        written = {output_of(one) for one in inside}
        readers = [
            one for one in graph.operators if tensors & {int(index) for index in one.inputs} and one not in additions
        ]
        open_ended = tensors & {int(index) for index in graph.outputs}
        if tensors == written and not open_ended and all(is_1x1(model, one) for one in readers):
            yield Stream(tuple(one for one in inside if one not in additions), tuple(additions), tuple(readers))


def _tied(model: Any, linear: Sequence[Any]) -> list[set[int]]:
    """Tensors grouped by the additions that tie them together, in the graph's order."""
    groups: dict[int, set[int]] = {output_of(one): {output_of(one)} for one in linear}
    for one in linear:
        if operator_name(model, one) == "ADD":
            together = set.union(
                *(groups.get(int(tensor), {int(tensor)}) for tensor in one.inputs), groups[output_of(one)]
            )
            groups.update(dict.fromkeys(together, together))
    return list({id(tensors): tensors for tensors in groups.values()}.values())


def _writes_linearly(model: Any, one: Any) -> bool:
    options = one.builtinOptions
    return operator_name(model, one) in ("CONV_2D", "ADD") and options.fusedActivationFunction == _NO_ACTIVATION


def is_1x1(model: Any, one: Any) -> bool:
    """Whether an operator is a convolution of 1x1, depthwise or not."""
    shape = model.subgraphs[0].tensors[one.inputs[1]].shape if len(one.inputs) > 1 else ()
    return operator_name(model, one) in ("CONV_2D", "DEPTHWISE_CONV_2D") and list(shape[1:3]) == [1, 1]


def extremes_by_channel(
    model: bytes, tensors: Sequence[int], pictures: Sequence[NDArray[np.uint8]]
) -> dict[int, tuple[Array, Array]]:
    """(lowest, highest) by channel, for each tensor."""
    if not tensors:
        return {}
    runner = FloatRunner(model)
    seen: dict[int, list[tuple[Array, Array]]] = {tensor: [] for tensor in tensors}
    for picture in pictures:
        runner.run(picture)
        for tensor, kept in seen.items():
            values = runner.tensor(tensor)
            values = values.reshape(-1, values.shape[-1]).astype(np.float64)
            kept.append((values.min(axis=0), values.max(axis=0)))
    return {
        tensor: (np.min([low for low, _ in kept], axis=0), np.max([high for _, high in kept], axis=0))
        for tensor, kept in seen.items()
    }


def _equalize(model: Any, stream: Stream, extremes: dict[int, tuple[Array, Array]], power: float) -> None:
    middles = {output_of(one): sum(extremes[output_of(one)]) / 2 for one in stream.writers}
    for one in stream.additions:
        middles[output_of(one)] = sum(middles[int(tensor)] for tensor in one.inputs)
    scale = _scale([np.maximum(extremes[t][1] - m, m - extremes[t][0]) for t, m in middles.items()], power)
    for one in stream.writers:
        weights, bias = constants(model, one)
        put_constants(model, one, weights * scale[:, None, None, None], (bias - middles[output_of(one)]) * scale)
    for one in stream.readers:
        weights, bias = constants(model, one)
        middle = middles[int(one.inputs[0])]
        if operator_name(model, one) == "DEPTHWISE_CONV_2D":
            put_constants(model, one, weights / scale, bias + weights[0, 0, 0] * middle)
        else:
            put_constants(model, one, weights / scale, bias + (weights[:, 0, 0] @ middle))


def _scale(spans: Sequence[Array], power: float) -> Array:
    shares = np.sqrt(np.mean([(span / span.max()) ** 2 for span in spans], axis=0))
    return np.clip(shares / shares.max(), 1 / LARGEST_SCALE, 1.0) ** -power


def constants(model: Any, one: Any) -> tuple[Array, Array]:
    """(weights, bias) of a convolution, in its own layout."""
    tensors = model.subgraphs[0].tensors
    weights, bias = (constant(model, tensors[index]).astype(np.float64) for index in one.inputs[1:3])
    return weights, bias


def put_constants(model: Any, one: Any, weights: Array, bias: Array) -> None:
    """Replaces what `constants` gives, for this convolution alone: the converter lets equal biases share a tensor."""
    for place, values in ((1, weights), (2, bias)):
        store(model, _own_tensor(model, one, place), values.astype(np.float32))


def _own_tensor(model: Any, one: Any, place: int) -> Any:
    """The tensor that an operator reads there; a copy of it where others read it too."""
    graph, index = model.subgraphs[0], int(one.inputs[place])
    if sum(int(read) == index for other in graph.operators for read in other.inputs) > 1:
        graph.tensors.append(copy.copy(graph.tensors[index]))
        one.inputs = np.array(one.inputs, np.int32)
        one.inputs[place] = len(graph.tensors) - 1
    return graph.tensors[int(one.inputs[place])]


def output_of(one: Any) -> int:
    """The tensor that an operator writes."""
    return int(one.outputs[0])
