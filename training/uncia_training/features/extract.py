"""Extractors: they compute the features of one model input; each thread has its own interpreter.

There are three kinds: the float network (both layers in one pass), the int8 network as on the trap, and the pixels
themselves for system L120.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.model.interpreter import Interpreter
from uncia_contract.pictures.region import Region
from uncia_training.features.augmentation import Augmentation
from uncia_training.features.feature_store import part_key
from uncia_training.parallel import PerThread

Image8 = NDArray[np.uint8]
Layers = dict[str, NDArray[Any]]
PIXELS_SIDE = 120


class Extractor(Protocol):
    """Computes the layers of one model input. Safe to call from several threads.

    `layers` gives the width and dtype of each layer.
    """

    name: str
    size: tuple[int, int]
    layers: dict[str, tuple[int, Any]]

    def __call__(self, image: Image8) -> Layers:
        """The values of each layer, flat, for a uint8 (height, width, 3) model input."""


def row_key(extractor: Extractor, content: bytes, region: Region | None, augmentation: Augmentation) -> str:
    """The key of a row in this extractor's store; `content` is the sha256 of the picture's bytes (32 bytes)."""
    return part_key(content, region, f"{extractor.size} {augmentation}")


class Pixels:
    """The features of L120: the pixels of the picture at 120x120."""

    name, size = "pixels-120", (PIXELS_SIDE, PIXELS_SIDE)

    def __init__(self) -> None:
        self.layers: dict[str, tuple[int, Any]] = {"pixels": (PIXELS_SIDE * PIXELS_SIDE * 3, np.uint8)}

    def __call__(self, image: Image8) -> Layers:
        """`pixels`, uint8 (43200,)."""
        return {"pixels": image.reshape(-1)}


class FloatNetwork:
    """A float TFLite model whose output is the last map; `pooled` is the map's mean over its places.

    The map is stored as float16 (up to 100,352 values for a picture), the pooled layer as float32.
    """

    def __init__(self, name: str, model: bytes, layers: Sequence[str]) -> None:
        self.name = f"{name}-float-{hashlib.sha256(model).hexdigest()[:12]}"
        self._runner = PerThread(lambda: _float_runner(model))
        runner = self._runner()
        details, shape = runner.get_input_details()[0], runner.get_output_details()[0]["shape"]
        self.size = (int(details["shape"][2]), int(details["shape"][1]))
        widths = {"map": (int(np.prod(shape[1:])), np.float16), "pooled": (int(shape[-1]), np.float32)}
        self.layers: dict[str, tuple[int, Any]] = {layer: widths[layer] for layer in layers}

    def __call__(self, image: Image8) -> Layers:
        """The requested layers, `map` and `pooled`, flat."""
        runner = self._runner()
        runner.set_tensor(runner.get_input_details()[0]["index"], image[np.newaxis].astype(np.float32))
        runner.invoke()
        output = runner.get_tensor(runner.get_output_details()[0]["index"])[0]
        values = {"map": output.reshape(-1), "pooled": output.mean(axis=(0, 1))}
        return {layer: values[layer] for layer in self.layers}


def _float_runner(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    runner = LiteRT(model_content=model, num_threads=1)
    runner.allocate_tensors()
    return runner


class Int8Network:
    """The quantized network in the trap's own interpreter."""

    def __init__(self, name: str, model: bytes) -> None:
        self.name = f"{name}-int8-{hashlib.sha256(model).hexdigest()[:12]}"
        self._runner = PerThread(lambda: Interpreter(model, threads=1))
        runner = self._runner()
        self.size = runner.size
        self.layers: dict[str, tuple[int, Any]] = {"pooled": (int(np.prod(runner.outputs[0].shape[1:])), np.float32)}

    def __call__(self, image: Image8) -> Layers:
        """`pooled`, float32: the numbers that the integers mean."""
        runner = self._runner()
        return {"pooled": runner.run(image, runner.outputs[:1])[0].reshape(-1)}
