"""Biases moved so that each channel's mean is what it is in float: what rounding shifts on average is taken back.

Layer by layer, in order, with the integer model as it stands so far (empirical bias correction: Nagel et al. 2019).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import operator_name, pack, store, unpack
from uncia_backbones.float_runner import FloatRunner
from uncia_contract.interpreter import Interpreter

Image8 = NDArray[np.uint8]


def bias_corrected(
    model: bytes,
    calibrated: bytes,
    pictures: Sequence[Image8],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bytes:
    """The integer model with each channel's mean moved to what it is in float.

    Args:
        model: full integer.
        calibrated: the same graph in float.
        pictures: uint8 (1, height, width, 3), what the means are taken over.
        progress: told how many of how many layers are done.
    """
    floats = {_name(tensor): index for index, tensor in enumerate(unpack(calibrated).subgraphs[0].tensors)}
    runner = FloatRunner(calibrated)
    drawn = unpack(model)
    graph = drawn.subgraphs[0]
    wanted: dict[str, list[NDArray[np.float64]]] = {}
    layers = [
        operator
        for operator in graph.operators
        if operator_name(drawn, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D")
        and _name(graph.tensors[operator.outputs[0]]) in floats
    ]
    for picture in pictures:
        runner.run(picture)
        for operator in layers:
            name = _name(graph.tensors[operator.outputs[0]])
            wanted.setdefault(name, []).append(_channel_means(runner.tensor(floats[name])))
    for number, operator in enumerate(layers, start=1):
        _correct(drawn, operator, np.mean(wanted[_name(graph.tensors[operator.outputs[0]])], axis=0), pictures)
        progress(number, len(layers))
    corrected: bytes = pack(drawn)
    return corrected


def _correct(model: Any, operator: Any, wanted: NDArray[np.float64], pictures: Sequence[Image8]) -> None:
    graph = model.subgraphs[0]
    output = int(operator.outputs[0])
    interpreter = Interpreter(pack(model), keep_all=True)
    tensor = next(tensor for tensor in interpreter.tensors if tensor.index == output)
    means = [_channel_means(interpreter.run(picture[0], [tensor])[0][np.newaxis]) for picture in pictures]
    bias = graph.tensors[operator.inputs[2]]
    scale = np.asarray(bias.quantization.scale, np.float64)
    stored = np.frombuffer(np.asarray(model.buffers[bias.buffer].data, np.uint8).tobytes(), np.int32)
    moved = stored + np.round((wanted - np.mean(means, axis=0)) / scale).astype(np.int64)
    store(model, bias, moved.astype(np.int32))


def _channel_means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = values.astype(np.float64).mean(axis=tuple(range(values.ndim - 1)))
    return means


def _name(tensor: Any) -> str:
    return str(tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)
