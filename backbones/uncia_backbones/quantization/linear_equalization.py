"""Cross-layer equalization of the linear streams between blocks: their channels get similar ranges.

An activation has one scale for all its channels. If one channel has ten times the range of another, the other has only
a tenth of the steps. Between blocks there is no nonlinearity: a convolution without activation can give
`(x - middle) * scale` for each channel, and the 1x1 convolutions that read it can include the inverse in their weights
and biases. In float the network computes the same; in integers the steps become finer (cross-layer equalization: Nagel
et al. 2019; on linear streams it is exact). Measured gain: docs/decisions/0004-quantization.md.
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
# With power 1 the steps of activations are finest, but those of the readers' weights become coarser, unless the weights
# have a scale for each channel (depthwise).
POWER, POWER_OF_DEPTHWISE = 0.5, 1.0
_NO_ACTIVATION = 0

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Stream:
    """The operators around tensors that are connected by additions, so that their channels must be scaled alike.

    Attributes:
        writers: convolutions without activation that write one of the tensors.
        additions: operators that add two of the tensors into a third, in the graph's order.
        readers: 1x1 convolutions that read one of the tensors.
    """

    writers: tuple[Any, ...]
    additions: tuple[Any, ...]
    readers: tuple[Any, ...]


def linear_equalized(calibrated: bytes, pictures: Sequence[NDArray[np.uint8]], power: float | None = None) -> bytes:
    """The float model with the channels of its linear streams centred and equalized; its outputs are the same.

    Args:
        calibrated: a float TFLite model.
        pictures: uint8 (1, height, width, 3) each; the range of each channel is measured on them.
        power: 1 gives all channels the same range, 0 only centres them; None chooses by the kind of readers.
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
    """The streams that only additions and 1x1 convolutions read and that are not an output of the model."""
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
    """Groups of tensors that are connected by additions, in the graph's order."""
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
    """Whether an operator is a 1x1 convolution, depthwise or not."""
    shape = model.subgraphs[0].tensors[one.inputs[1]].shape if len(one.inputs) > 1 else ()
    return operator_name(model, one) in ("CONV_2D", "DEPTHWISE_CONV_2D") and list(shape[1:3]) == [1, 1]


def extremes_by_channel(
    model: bytes, tensors: Sequence[int], pictures: Sequence[NDArray[np.uint8]]
) -> dict[int, tuple[Array, Array]]:
    """The lowest and highest values over the pictures, each (channels,), for each tensor."""
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
    """The weights and bias of a convolution, float64, in TFLite's layout."""
    tensors = model.subgraphs[0].tensors
    weights, bias = (constant(model, tensors[index]).astype(np.float64) for index in one.inputs[1:3])
    return weights, bias


def put_constants(model: Any, one: Any, weights: Array, bias: Array) -> None:
    """Replace weights and bias of this convolution only; the converter lets several share a tensor of equal biases."""
    for place, values in ((1, weights), (2, bias)):
        store(model, _own_tensor(model, one, place), values.astype(np.float32))


def _own_tensor(model: Any, one: Any, place: int) -> Any:
    """The operator's input tensor at that place; replaced by a copy if other operators read it too."""
    graph, index = model.subgraphs[0], int(one.inputs[place])
    if sum(int(read) == index for other in graph.operators for read in other.inputs) > 1:
        graph.tensors.append(copy.copy(graph.tensors[index]))
        one.inputs = np.array(one.inputs, np.int32)
        one.inputs[place] = len(graph.tensors) - 1
    return graph.tensors[int(one.inputs[place])]


def output_of(one: Any) -> int:
    """The number of the tensor that an operator writes."""
    return int(one.outputs[0])
