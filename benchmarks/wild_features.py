"""Features and heads for `benchmarks/wild_backbones.py`: one backbone in int8 and in float, on crops of the data sets.

A crop's features depend only on picture, region and network; each is computed once and cached on disk.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import numpy as np

from uncia_backbones.quantization.quantize import float_model
from uncia_backbones.registry import backbone
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.pictures.preprocessing import WHOLE, model_input
from uncia_contract.pictures.region import Region
from uncia_training.features import data_pass
from uncia_training.features.augmentation import AUGMENTATIONS, augmented
from uncia_training.features.extract import Extractor, FloatNetwork, Int8Network
from uncia_training.features.feature_network import network_of_backbone, network_of_bundle
from uncia_training.features.networks import FLOAT, INT8
from uncia_training.fitting.fit import learnt_rows
from uncia_training.fitting.head_fit import FitKey, HeadFit, Rows, fit_head
from uncia_training.fitting.learning_set import LearningSettings, prepare
from uncia_training.parallel import parallel_map

WORKERS = 2
# What a head learns from: the picture as it is, with its mirror image, and with scenes and flashes besides.
VIEWS = {"plain": AUGMENTATIONS[:1], "and mirrored": AUGMENTATIONS[:2], "all": AUGMENTATIONS}
LAYERS = {INT8: "int8", FLOAT: "pooled"}
CropKey = tuple[str, Region]


@dataclass(frozen=True, eq=False)
class Fitted:
    """A head, and the held-out scores of the rows that it learnt from."""

    fit: HeadFit
    rows: Rows

    def uncalibrated(self) -> HeadFit:
        """The same fit without slope and offset."""
        head = self.fit.head
        return replace(self.fit, head=replace(head, slope=1.0, offset=np.zeros_like(head.offset)))


class Network:
    """A backbone in int8 and in float, features of crops by both, and heads on them.

    `source` is a folder of `uncia-convert backbone`, or a bundle, whose integer model is used.
    """

    def __init__(self, source: Path, data: Path, cache: Path) -> None:
        found = (
            network_of_bundle(source) if source.suffix == ".uncia" else network_of_backbone(source, "int8", "pooled")
        )
        self.name, self.model, self._data = found.name, found.model, data
        self._cache = cache / f"{self.name}-{hashlib.sha256(self.model).hexdigest()[:12]}"
        self._cache.mkdir(parents=True, exist_ok=True)
        self.extractors: dict[str, Extractor] = {
            INT8: Int8Network(self.name, self.model),
            FLOAT: FloatNetwork(self.name, self._float_model(), ["pooled"]),
        }
        self._crops = _read(self._cache / "crops.npz")
        self._heads: dict[tuple[str, str], Fitted] = {}

    def _float_model(self) -> bytes:
        kept = self._cache / "float-map.tflite"
        if not kept.exists():
            kept.write_bytes(float_model(backbone(self.name).load().model, "map"))
        return kept.read_bytes()

    def compute(self, crops: Iterable[CropKey]) -> None:
        """Compute the features of these crops in both precisions, if they are not cached."""
        missing = list(dict.fromkeys(crop for crop in crops if _text(crop) not in self._crops))
        for number, (crop, rows) in enumerate(zip(missing, parallel_map(self._both, missing, WORKERS), strict=True), 1):
            self._crops[_text(crop)] = rows
            if number % 500 == 0 or number == len(missing):
                print(f"{self.name}: {number} of {len(missing)} crops", flush=True)
                kept = {"crops": np.array(list(self._crops)), "rows": np.stack(list(self._crops.values()))}
                np.savez(self._cache / "crops.npz", **kept)

    def _both(self, crop: CropKey) -> np.ndarray:
        file, region = crop
        size = self.extractors[INT8].size
        image = model_input((self._data / file).read_bytes(), size, region)
        return np.stack([self.extractors[kind](image)["pooled"] for kind in (INT8, FLOAT)])

    def features(self, file: str, region: Region | None, precision: str) -> np.ndarray:
        """The cached features of a crop, float32 (features,)."""
        rows: np.ndarray = self._crops[_text((file, region or WHOLE))]
        return rows[(INT8, FLOAT).index(precision)]

    def fitted(self, precision: str, views: str, split: str = "location", draw: int = 0) -> Fitted:
        """The one trainer's head on labels.csv, test and tune left out; `draw` moves the seeds of views."""
        if (precision, f"{views} {split} {draw}") not in self._heads:
            key = FitKey(LAYERS[precision], VIEWS[views], True)
            cache = self._cache / (f"seed{draw}" if draw else "") / "learnt"
            settings = LearningSettings(positive=("snow_leopard",), cache=cache, split=split)
            pictures = read_labels(self._data / "labels.csv")
            extractors = {precision: self.extractors[precision]}
            with mock.patch.object(
                data_pass, "augmented", lambda image, names, seed: augmented(image, names, seed + draw)
            ):
                learning = prepare(pictures, settings, extractors, [key], _silent, scoring=False)
            rows = learnt_rows(learning, key)
            self._heads[precision, f"{views} {split} {draw}"] = Fitted(fit_head(rows, settings.recipe), rows)
        return self._heads[precision, f"{views} {split} {draw}"]


def _silent(step: str, done: int, total: int) -> None:
    """Do nothing with progress."""


def _text(crop: CropKey) -> str:
    file, region = crop
    sides = " ".join(f"{side:.6f}" for side in (region.left, region.top, region.width, region.height))
    return hashlib.sha256(f"{file} {sides}".encode()).hexdigest()[:24]


def _read(path: Path) -> dict[str, np.ndarray]:
    if not path.exists():
        return {}
    with np.load(path) as arrays:
        return dict(zip(arrays["crops"].tolist(), arrays["rows"], strict=True))


def score(network: Network, precision: str, fit: HeadFit, file: str, region: Region | None) -> float:
    """The probability of a snow leopard in a crop with computed features."""
    return float(fit.head.probabilities(network.features(file, region, precision)[np.newaxis])[0, 1])
