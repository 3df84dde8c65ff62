"""The networks' outputs for pictures, each thread with an interpreter of its own.

Decides what an extractor is: it gives named layers for one model input. Three kinds: the float network (both layers in
one pass), the int8 network as the trap runs it, and the plain pixels of L120.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from uncia_contract.errors import FrameError
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.datasets.pictures import PictureFailure, read_picture
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.augmentation import AUGMENTATIONS, Augmentation, augmented
from uncia_training.features.feature_store import FeatureStore, content_key
from uncia_training.parallel import PerThread, parallel_map

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
        self._runner = PerThread(lambda: _float_runner(model))
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


def _float_runner(model: bytes) -> Any:
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    runner = LiteRT(model_content=model, num_threads=1)
    runner.allocate_tensors()
    return runner


class Int8Network:
    """The quantized network, through the trap's own interpreter."""

    def __init__(self, name: str, model: bytes) -> None:
        self.name = f"{name}-int8-{hashlib.sha256(model).hexdigest()[:12]}"
        self._runner = PerThread(lambda: Interpreter(model, threads=1))
        runner = self._runner()
        self.size = runner.size
        self.layers: dict[str, tuple[int, Any]] = {"pooled": (int(np.prod(runner.outputs[0].shape[1:])), np.float32)}

    def __call__(self, image: Image8) -> Layers:
        """`pooled`, float32 as the integers stand for."""
        runner = self._runner()
        return {"pooled": runner.run(image, runner.outputs[:1])[0].reshape(-1)}


@dataclass(frozen=True, eq=False)
class Computed:
    """The outcome for one crop: a key for each augmentation, and the layers of those that were not stored yet."""

    number: int
    keys: tuple[str, ...]
    new: dict[str, Layers]
    failure: PictureFailure | None = None


def extract(
    crops: Sequence[Crop],
    extractor: Extractor,
    augmentations: Sequence[Augmentation],
    stores: dict[str, FeatureStore],
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[int, tuple[str, ...]], list[PictureFailure]]:
    """Computes what the stores lack, in several threads: decoding one picture overlaps another's forward pass.

    Args:
        crops: of readable pictures.
        extractor: the network.
        augmentations: names in `AUGMENTATIONS`; the infrared one's chance depends on the picture's content alone.
        stores: one for each layer of the extractor.
        workers: threads.
        progress: told how many of how many crops are done.

    Returns:
        The keys of each usable crop's augmentations, by the crop's number, and what failed.
    """
    keys: dict[int, tuple[str, ...]] = {}
    failures: list[PictureFailure] = []

    def compute(pair: tuple[int, Crop]) -> Computed:
        return _compute(pair[0], pair[1], extractor, augmentations, stores)

    for done, result in enumerate(parallel_map(compute, enumerate(crops), workers), start=1):
        if result.failure:
            failures.append(result.failure)
        else:
            keys[result.number] = result.keys
        for key, layers in result.new.items():
            for layer, values in layers.items():
                stores[layer].add(key, values)
        progress(done, len(crops))
    return keys, failures


def _compute(
    number: int,
    crop: Crop,
    extractor: Extractor,
    augmentations: Sequence[Augmentation],
    stores: dict[str, FeatureStore],
) -> Computed:
    try:
        picture = read_picture(crop.picture)
        keys = {name: content_key(picture, crop.region, f"{extractor.size} {name}") for name in augmentations}
        missing = [name for name, key in keys.items() if any(key not in store for store in stores.values())]
        if not missing:
            return Computed(number, tuple(keys.values()), {})
        image = model_input(picture, extractor.size, crop.region)
    except FrameError as error:
        return Computed(number, (), {}, PictureFailure(crop.picture.file, str(error)))
    seed = int(hashlib.sha256(picture).hexdigest()[:8], 16)
    new = {keys[name]: extractor(one) for name, one in zip(missing, augmented(image, missing, seed), strict=True)}
    return Computed(number, tuple(keys.values()), new)


def extract_augmented(
    crops: Sequence[Crop],
    network: Int8Network,
    seed: int,
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[NDArray[np.float32], list[int], list[PictureFailure]]:
    """Computes the features of every augmentation of every crop, without a store.

    Args:
        crops: of readable pictures.
        network: the int8 network.
        seed: the infrared augmentation of crop number n has the seed `seed + n`.
        workers: threads.
        progress: told how many of how many crops are done.

    Returns:
        float32 (crops that could be used, augmentations, features), their numbers, and what failed.
    """

    def compute(pair: tuple[int, Crop]) -> NDArray[np.float32] | PictureFailure:
        number, crop = pair
        try:
            image = model_input(read_picture(crop.picture), network.size, crop.region)
        except FrameError as error:
            return PictureFailure(crop.picture.file, str(error))
        return np.stack([network(one)["pooled"] for one in augmented(image, AUGMENTATIONS, seed + number)])

    rows: list[NDArray[np.float32]] = []
    numbers: list[int] = []
    failures: list[PictureFailure] = []
    for number, result in enumerate(parallel_map(compute, enumerate(crops), workers)):
        if isinstance(result, PictureFailure):
            failures.append(result)
        else:
            rows.append(result)
            numbers.append(number)
        progress(number + 1, len(crops))
    return (np.stack(rows) if rows else np.empty((0, 0, 0), np.float32)), numbers, failures
