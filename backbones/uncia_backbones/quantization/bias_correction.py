"""Empirical bias correction: changes biases so that each channel has the same mean as in float (Nagel et al. 2019).

Layers are corrected in order; the means of a layer are computed with the layers before it already corrected.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.flatbuffer import operator_name, pack, store, unpack
from uncia_backbones.quantization.float_runner import FloatRunner
from uncia_contract.model.interpreter import Interpreter

AT_A_TIME = 2

Image8 = NDArray[np.uint8]
Means = NDArray[np.float64]  # (channels,)


def bias_corrected(
    model: bytes,
    calibrated: bytes,
    pictures: Sequence[Image8],
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> bytes:
    """The integer model with corrected biases.

    Args:
        model: a full-integer model.
        calibrated: the same graph in float.
        pictures: uint8 (1, height, width, 3) each; the means are taken over them.
        progress: called with the number of layers done and the number of all.
    """
    floats = {_name(tensor): index for index, tensor in enumerate(unpack(calibrated).subgraphs[0].tensors)}
    runner = FloatRunner(calibrated)
    unpacked = unpack(model)
    graph = unpacked.subgraphs[0]
    layers = [
        operator
        for operator in graph.operators
        if operator_name(unpacked, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D")
        and _name(graph.tensors[operator.outputs[0]]) in floats
    ]
    wanted: list[list[Means]] = [[] for _ in layers]
    for picture in pictures:
        runner.run(picture)
        for operator, means in zip(layers, wanted, strict=True):
            means.append(_channel_means(runner.tensor(floats[_name(graph.tensors[operator.outputs[0]])])))
    for number, (operator, means) in enumerate(zip(layers, wanted, strict=True), start=1):
        _correct(unpacked, operator, np.mean(means, axis=0), pictures)
        progress(number, len(layers))
    corrected: bytes = pack(unpacked)
    return corrected


def _correct(model: Any, operator: Any, wanted: Means, pictures: Sequence[Image8]) -> None:
    means = _means(_up_to(model, operator), pictures)
    bias = model.subgraphs[0].tensors[operator.inputs[2]]
    scale = np.asarray(bias.quantization.scale, np.float64)
    stored = np.frombuffer(np.asarray(model.buffers[bias.buffer].data, np.uint8).tobytes(), np.int32)
    moved = stored + np.round((wanted - np.mean(means, axis=0)) / scale).astype(np.int64)
    store(model, bias, moved.astype(np.int32))


def _up_to(model: Any, operator: Any) -> bytes:
    """The model cut after this operator, so that later operators are not computed."""
    graph = model.subgraphs[0]
    whole = graph.operators, graph.outputs, model.signatureDefs
    graph.operators = whole[0][: whole[0].index(operator) + 1]
    graph.outputs, model.signatureDefs = np.array(operator.outputs, np.int32), None
    try:
        shortened: bytes = pack(model)
    finally:
        graph.operators, graph.outputs, model.signatureDefs = whole
    return shortened


def _means(model: bytes, pictures: Sequence[Image8]) -> list[Means]:
    """The mean of each channel of the model's output, for each picture; several pictures run at the same time."""

    def share(first: int) -> list[Means]:
        interpreter = Interpreter(model, keep_all=True)
        return [
            _channel_means(interpreter.run(picture[0], interpreter.outputs)[0][np.newaxis])
            for picture in pictures[first::AT_A_TIME]
        ]

    with ThreadPoolExecutor(AT_A_TIME) as pool:
        shares = list(pool.map(share, range(AT_A_TIME)))
    return [shares[number % AT_A_TIME][number // AT_A_TIME] for number in range(len(pictures))]


def _channel_means(values: NDArray[np.float32]) -> Means:
    means: Means = values.astype(np.float64).mean(axis=tuple(range(values.ndim - 1)))
    return means


def _name(tensor: Any) -> str:
    return str(tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)
