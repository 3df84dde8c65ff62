"""The networks' outputs for pictures, each thread with an interpreter of its own.

Decides what an extractor is: it gives named layers for one model input. Three kinds: the float network (both layers in
one pass), the int8 network as the trap runs it, and the plain pixels of L120.
"""

import hashlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import FrameError
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.datasets.region_looks import Look, PictureFailure, read_picture
from uncia_training.features.augmentation import infrared, mirrored
from uncia_training.features.feature_store import FeatureStore, content_key
from uncia_training.parallel import parallel_map

Image8 = NDArray[np.uint8]
Layers = dict[str, NDArray[Any]]
PIXELS_SIDE = 120


class Extractor(Protocol):
    """Gives layers of one model input; safe to call from several threads."""

    name: str
    size: tuple[int, int]
    layers: dict[str, tuple[int, Any]]

    def __call__(self, image: Image8) -> Layers:
        """Each layer's values, flat."""


class Pixels:
    """L120: the picture at 120x120 as it is."""

    name, size = "pixels-120", (PIXELS_SIDE, PIXELS_SIDE)

    def __init__(self) -> None:
        self.layers: dict[str, tuple[int, Any]] = {"pixels": (PIXELS_SIDE * PIXELS_SIDE * 3, np.uint8)}

    def __call__(self, image: Image8) -> Layers:
        """`pixels`, uint8 (43200,)."""
        return {"pixels": image.reshape(-1)}


class FloatNetwork:
    """A float TFLite model whose output is the last map; `pooled` is the map's mean over its cells.

    The map is kept as float16 (as many as 100,352 a picture), the pooled layer as float32.
    """

    def __init__(self, name: str, model: bytes, layers: Sequence[str]) -> None:
        self.name = f"{name}-float-{hashlib.sha256(model).hexdigest()[:12]}"
        self._model, self._local = model, threading.local()
        runner = self._runner()
        details, shape = runner.get_input_details()[0], runner.get_output_details()[0]["shape"]
        self.size = (int(details["shape"][2]), int(details["shape"][1]))
        widths = {"map": (int(np.prod(shape[1:])), np.float16), "pooled": (int(shape[-1]), np.float32)}
        self.layers: dict[str, tuple[int, Any]] = {layer: widths[layer] for layer in layers}

    def __call__(self, image: Image8) -> Layers:
        """`map` and `pooled`, flat."""
        runner = self._runner()
        runner.set_tensor(runner.get_input_details()[0]["index"], image[np.newaxis].astype(np.float32))
        runner.invoke()
        output = runner.get_tensor(runner.get_output_details()[0]["index"])[0]
        values = {"map": output.reshape(-1), "pooled": output.mean(axis=(0, 1))}
        return {layer: values[layer] for layer in self.layers}

    def _runner(self) -> Any:
        if not hasattr(self._local, "runner"):
            from ai_edge_litert.interpreter import Interpreter as LiteRT

            self._local.runner = LiteRT(model_content=self._model, num_threads=1)
            self._local.runner.allocate_tensors()
        return self._local.runner


class Int8Network:
    """The quantized network, through the trap's own interpreter."""

    def __init__(self, name: str, model: bytes) -> None:
        self.name = f"{name}-int8-{hashlib.sha256(model).hexdigest()[:12]}"
        self._model, self._local = model, threading.local()
        runner = self._runner()
        self.size = runner.size
        self.layers: dict[str, tuple[int, Any]] = {"pooled": (int(np.prod(runner.outputs[0].shape[1:])), np.float32)}

    def __call__(self, image: Image8) -> Layers:
        """`pooled`, float32 as the integers stand for."""
        runner = self._runner()
        return {"pooled": runner.run(image, runner.outputs[:1])[0].reshape(-1)}

    def _runner(self) -> Interpreter:
        if not hasattr(self._local, "runner"):
            self._local.runner = Interpreter(self._model, threads=1)
        runner: Interpreter = self._local.runner
        return runner


VIEWS: dict[str, Callable[[Image8, int], Image8]] = {
    "plain": lambda image, seed: image,
    "mirror": lambda image, seed: mirrored(image),
    "infrared": lambda image, seed: infrared(image, np.random.default_rng(seed)),
    "infrared_mirror": lambda image, seed: mirrored(infrared(image, np.random.default_rng(seed))),
}


@dataclass(frozen=True, eq=False)
class Computed:
    """What became of one look: a key for each view, and the layers of those that were not stored yet."""

    number: int
    keys: tuple[str, ...]
    new: dict[str, Layers]
    failure: PictureFailure | None = None


def keys_of(picture: bytes, look: Look, extractor: Extractor, views: Sequence[str]) -> dict[str, str]:
    """The store's key of each view."""
    return {view: content_key(picture, look.region, f"{extractor.size} {view}") for view in views}


def extract(
    looks: Sequence[Look],
    extractor: Extractor,
    views: Sequence[str],
    stores: dict[str, FeatureStore],
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[int, tuple[str, ...]], list[PictureFailure]]:
    """Computes what the stores lack, in several threads: decoding one picture overlaps another's forward pass.

    Args:
        looks: what to look at.
        extractor: the network.
        views: names in `VIEWS`; the infrared view's chance depends on the picture's content alone.
        stores: one for each layer of the extractor.
        workers: threads.
        progress: told how many of how many looks are done.

    Returns:
        The keys of each usable look's views, by the look's number, and what failed.
    """
    keys: dict[int, tuple[str, ...]] = {}
    failures: list[PictureFailure] = []

    def compute(pair: tuple[int, Look]) -> Computed:
        return _compute(pair[0], pair[1], extractor, views, stores)

    for done, result in enumerate(parallel_map(compute, enumerate(looks), workers), start=1):
        if result.failure:
            failures.append(result.failure)
        else:
            keys[result.number] = result.keys
        for key, layers in result.new.items():
            for layer, values in layers.items():
                stores[layer].add(key, values)
        progress(done, len(looks))
    return keys, failures


def _compute(
    number: int, look: Look, extractor: Extractor, views: Sequence[str], stores: dict[str, FeatureStore]
) -> Computed:
    try:
        picture = read_picture(look.picture)
        keys = keys_of(picture, look, extractor, views)
        missing = [view for view, key in keys.items() if any(key not in store for store in stores.values())]
        image = model_input(picture, extractor.size, look.region) if missing else None
    except FrameError as error:
        return Computed(number, (), {}, PictureFailure(look.picture.file, str(error)))
    seed = int(hashlib.sha256(picture).hexdigest()[:8], 16)
    new = {keys[view]: extractor(VIEWS[view](image, seed)) for view in missing if image is not None}
    return Computed(number, tuple(keys.values()), new)
