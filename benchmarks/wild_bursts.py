"""The bursts of tune.csv for `benchmarks/wild.py`: thumbnails, backgrounds, and scores of crops, cached on disk.

A crop's score depends only on picture, region and bundle, so each is computed once and trying a rule takes seconds.
"""

import csv
import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from uncia_contract.archive.neighbours import KEPT, KNOWN, middle, nearest
from uncia_contract.bursts.backgrounds import Background, median_view
from uncia_contract.bursts.frame_scores import FrameScore
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.model.activation import Explainer, highest_place
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.light import light_of
from uncia_contract.pictures.preprocessing import WHOLE, model_input
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.burst_decoder import small_pictures
from uncia_contract.scoring.score_burst import score_burst

FIVE_CROPS = tuple(Region(x, y, 0.5, 0.5) for x, y in ((0.25, 0.25), (0.0, 0.0), (0.5, 0.0), (0.0, 0.5), (0.5, 0.5)))


@dataclass(frozen=True, eq=False)
class Burst:
    """One trigger of a camera.

    `animal` is what it shows, for a single cat with the source of the picture. `light` was given by a person (day, ir,
    flash), `seen_as` by the trap. `archive` is the background from the neighbours in time (decision 0011), `live` the
    trap's rolling background before this burst; None if unknown. `base` is the part of the pictures that counts as the
    frame.
    """

    name: str
    kind: str
    station: str
    animal: str
    light: str
    files: tuple[str, ...]
    greys: tuple[np.ndarray, ...]
    seen_as: str
    archive: np.ndarray | None = None
    live: np.ndarray | None = None
    base: Region = WHOLE

    @property
    def few(self) -> bool:
        """Whether it has one or two frames."""
        return len(self.files) <= 2


class Scores:
    """Scores and activation peaks of crops by one bundle, cached on disk."""

    def __init__(self, data: Path, bundle: Path, cache: Path) -> None:
        content = bundle.read_bytes()
        self._data, self._bundle = data, read_bundle(bundle)
        self.manifest = self._bundle.manifest
        self.classifier = Classifier(self._bundle)
        self._explainer: Explainer | None = None
        cache.mkdir(parents=True, exist_ok=True)
        self._log = cache / f"scores-{hashlib.sha256(content).hexdigest()[:16]}.jsonl"
        lines = self._log.read_text().splitlines() if self._log.exists() else []
        self._known = dict(json.loads(line) for line in lines)

    def of(self, file: str, region: Region) -> float:
        """The probability that the bundle gives for this part of a picture."""
        key = f"{file} {_key(region)}"
        if key not in self._known:
            found = self.classifier.score(self._input(file, region))
            self._keep(key, float(found))
            if found.peak is not None:
                self._keep(f"peak {key}", found.peak)
        return float(self._known[key])

    def seen(self, file: str, region: Region, led: bool) -> FrameScore:
        """That probability, and the activation peak if a second look may need it."""
        return FrameScore(self.of(file, region)).at(self.peak(file, region) if led else None)

    def reader(self, file: str) -> Callable[[], bytes]:
        """Open the picture."""
        return (self._data / file).read_bytes

    def verdict(self, burst: "Burst", every_frame: bool) -> tuple[float, int]:
        """The confidence and number of scored frames by the contract's own rules, without a background."""
        pictures = [self.reader(file) for file in burst.files]
        found = score_burst(pictures, self.classifier, every_frame=every_frame, workers=1)
        return (found.decision.confidence, found.frames_scored) if found else (-1.0, 0)

    def peak(self, file: str, region: Region) -> tuple[float, float]:
        """Where (across, down; fractions of the region) the activation map of this part is highest."""
        key = f"peak {file} {_key(region)}"
        if key not in self._known:
            self._explainer = self._explainer or Explainer(self._bundle)
            found = self._explainer.activation(self._input(file, region))
            self._keep(key, highest_place(found))
        across, down = self._known[key]
        return across, down

    def _input(self, file: str, region: Region) -> np.ndarray:
        return model_input((self._data / file).read_bytes(), self.manifest.input_size, region)

    def _keep(self, key: str, value: object) -> None:
        self._known[key] = value
        with self._log.open("a") as log:
            log.write(json.dumps([key, value]) + "\n")


def _key(region: Region) -> str:
    return " ".join(f"{side:.6f}" for side in (region.left, region.top, region.width, region.height))


def within(region: Region | None, base: Region) -> Region:
    """The region in the picture of a region within another region."""
    if region is None:
        return base
    return Region(
        base.left + region.left * base.width,
        base.top + region.top * base.height,
        region.width * base.width,
        region.height * base.height,
    )


def wild_bursts(data: Path, scores: Scores, cache: Path, flash_apart: bool = False) -> list[Burst]:
    """All bursts of tune.csv; single cats also as five crops each (kind `crop`), others' pictures also `alone`.

    `flash_apart` gives pictures with white flash a background of their own.
    """
    small = _thumbnails(data, scores, cache)
    lights, animals = _column(data / "boxes.csv", "light"), _column(data / "tune.csv", "species")
    stations: dict[tuple[str, str], list[list[LabelledPicture]]] = defaultdict(list)
    for pictures in sequences(read_labels(data / "tune.csv")):
        stations[pictures[0].source, pictures[0].location].append(pictures)
    found: list[Burst] = []
    for station in stations.values():
        ordered = sorted(station, key=lambda one: (not one[0].datetime, one[0].datetime))
        found += _with_backgrounds([_burst(pictures, small, lights, animals, flash_apart) for pictures in ordered])
    runs = [burst for burst in found if burst.kind == "other"]
    alone = [one for run in runs for one in _with_backgrounds(_pictures_alone(run, small))]
    crops = [
        replace(cat, name=f"{cat.name}#{n}", kind="crop", base=base)
        for cat in found
        if cat.kind == "cat"
        for n, base in enumerate(FIVE_CROPS)
    ]
    return found + crops + alone


def _thumbnails(data: Path, scores: Scores, cache: Path) -> dict[str, tuple[np.ndarray, str]]:
    """The grey thumbnail of each picture, and its light as the trap classifies it."""
    kept = cache / "thumbnails.npz"
    if not kept.exists():
        rule, greys = scores.manifest.region_rule, {}
        for picture in read_labels(data / "tune.csv"):
            grey, colour = small_pictures(picture.path.read_bytes(), rule)
            greys[f"{light_of(colour)} {picture.file}"] = grey
        np.savez(kept, **greys)
    with np.load(kept) as arrays:
        return {name.split(" ", 1)[1]: (arrays[name], name.split(" ", 1)[0]) for name in arrays.files}


def _column(table: Path, name: str) -> dict[str, str]:
    with table.open(newline="") as rows:
        return {row["file"]: row[name] for row in csv.DictReader(rows)}


def _burst(
    pictures: Sequence[LabelledPicture],
    small: dict[str, tuple[np.ndarray, str]],
    lights: dict[str, str],
    animals: dict[str, str],
    flash_apart: bool,
) -> Burst:
    first = pictures[0]
    kind = "leopard" if first.label == "snow_leopard" else "cat" if first.source == "cats" else "other"
    files = tuple(picture.file for picture in pictures)
    named = [lights[file] for file in files if file in lights]
    light = max(sorted(set(named)), key=named.count) if named else "-"
    own = [small[file][1] for file in files]
    seen_as = light if flash_apart and light == "flash" else max(sorted(set(own)), key=own.count)
    return Burst(
        first.sequence or first.file,
        kind,
        first.location,
        first.location if kind == "cat" else animals[first.file],
        light,
        files,
        tuple(small[file][0] for file in files),
        seen_as,
    )


def _with_backgrounds(ordered: Sequence[Burst]) -> list[Burst]:
    """One station's bursts in order of time, each with the archive's and the trap's rolling background."""
    rolling, found = Background(), []
    for index, one in enumerate(ordered):
        if one.kind == "cat":
            found.append(one)
            continue
        shape = one.greys[0].shape
        near = (other for other in nearest(ordered, index) if other.seen_as == one.seen_as)
        views = list(islice((view for view in _middles(near) if view.shape == shape), KEPT))
        archive = median_view(views[::-1]) if len(views) >= KNOWN else None
        found.append(replace(one, archive=archive, live=rolling.seen(shape, one.seen_as)))
        rolling = rolling.updated(one.greys, one.seen_as)
    return found


def _pictures_alone(run: Burst, small: dict[str, tuple[np.ndarray, str]]) -> list[Burst]:
    """Each picture of a run as a trigger of its own."""
    return [
        replace(run, name=file, kind="alone", files=(file,), greys=(grey,), seen_as=small[file][1])
        for file, grey in zip(run.files, run.greys, strict=True)
    ]


def _middles(bursts: Iterable[Burst]) -> Iterable[np.ndarray]:
    return (middle(burst.greys) for burst in bursts)
