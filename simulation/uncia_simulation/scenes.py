"""Renders bursts like those of a trap on a mountain slope, for tests and demonstrations without recorded pictures.

Decides what happens in each burst: which animal passes, when, in which light. The same seed and the same versions of
numpy and Pillow give the same bytes. It needs neither TensorFlow nor a network.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np

from uncia_simulation.coat import make_coat
from uncia_simulation.grass import make_tufts
from uncia_simulation.light import Kind, make_light
from uncia_simulation.stage import Box, Stage, Walker, make_stage, shoot
from uncia_simulation.stamp import Stamp, stamped
from uncia_simulation.terrain import View, make_slope

POSITIVE = "snow leopard"
OTHERS = ("ibex", "fox", "wolf", "hare", "bird")
LABEL_COLUMNS = ("file", "label", "sequence", "location", "datetime", "source", "split")
PAMIR = timezone(timedelta(hours=5))
FIRST_NIGHT = datetime(2026, 1, 14, tzinfo=PAMIR)


@dataclass(frozen=True)
class Scene:
    """The script of one burst. `species` is None if no animal passes; `lane_m` is the distance of the lane in metres.

    `truncated` is the index of a frame whose file is cut, as on a card that was removed too early.
    """

    name: str
    species: str | None
    light: Kind
    frames: int
    location: str
    place_seed: int
    lane_m: float
    snow: float
    started_at: datetime
    tufts: int = 0
    wind: float = 0.0
    sun: float | None = None
    truncated: int | None = None
    split: str = "test"

    @property
    def label(self) -> str:
        """The label for training: snow_leopard, other or blank."""
        return "blank" if self.species is None else "snow_leopard" if self.species == POSITIVE else "other"


@dataclass(frozen=True)
class RenderedBurst:
    """A burst on disk.

    `boxes` holds for each frame the box (left, top, width, height) around the visible part of the animal, in fractions
    of the frame, or None. `unreadable` are the frames whose files are truncated.
    """

    folder: Path
    scene: Scene
    frames: tuple[Path, ...]
    taken_at: tuple[datetime, ...]
    boxes: tuple[Box | None, ...]
    unreadable: tuple[Path, ...]


def render_bursts(folder: Path, seed: int = 7) -> list[RenderedBurst]:
    """Render the six bursts that `make simulate` replays, each into a folder of its own."""
    return [
        _render(scene, folder / scene.name, [seed, n], 31 + 20 * n)
        for n, scene in enumerate(_demonstration_scenes(seed))
    ]


def render_training_set(folder: Path, seed: int, bursts: int = 150) -> Path:
    """Render bursts at many places, write `labels.csv` (LABEL_COLUMNS), and return its path.

    Each place has five bursts; every fifth place has split `test`, the others `train`. Times are UTC.
    """
    folder.mkdir(parents=True, exist_ok=True)
    table = folder / "labels.csv"
    with table.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(LABEL_COLUMNS)
        for n, scene in enumerate(_training_scenes(seed, bursts)):
            burst = _render(scene, folder / scene.location / scene.name, [seed, 1000 + n], 1)
            rows.writerows(_label_rows(burst, folder))
    return table


def _demonstration_scenes(seed: int) -> list[Scene]:
    """The scripts of the demonstration's bursts."""
    day = FIRST_NIGHT
    plain = Scene("", None, "day", 3, "ridge-01", 1008 + seed, 4.6, 0.75, day, sun=0.75)
    return [
        replace(plain, name="01-day-snow-leopard", species=POSITIVE, frames=6, started_at=day.replace(hour=8)),
        replace(plain, name="02-night-snow-leopard", species=POSITIVE, light="infrared", frames=10,
                location="gully-02", place_seed=1001 + seed, lane_m=6.2, started_at=day.replace(hour=19)),
        replace(plain, name="03-day-ibex", species="ibex", frames=4, location="pass-03", place_seed=695 + seed,
                lane_m=5.6, snow=0.35, started_at=day.replace(hour=11)),
        replace(plain, name="04-night-fox", species="fox", light="infrared", frames=4, location="scree-04",
                place_seed=696 + seed, lane_m=4.0, snow=0.6, started_at=day.replace(hour=22)),
        replace(plain, name="05-wind-in-the-grass", location="meadow-05", place_seed=697 + seed, snow=0.3,
                started_at=day.replace(hour=14), tufts=14, wind=0.6),
        replace(plain, name="06-truncated-file", location="ridge-01", started_at=day.replace(hour=16),
                sun=0.0, truncated=1),
    ]  # fmt: skip


def _training_scenes(seed: int, bursts: int) -> Iterator[Scene]:
    """Scripts with five bursts for each place: two with the snow leopard, one or two with other animals, else none."""
    rng = np.random.default_rng([seed, 99])
    for n in range(bursts):
        if n % 5 == 0:
            place = _place(rng, seed, n // 5)
        other, sometimes = str(rng.choice(OTHERS)), rng.choice([*OTHERS, "", "", ""])
        species = (POSITIVE, other, POSITIVE, str(sometimes) or None, None)[n % 5]
        light: Kind = "infrared" if rng.random() < 0.5 else "day"
        hour = float(rng.uniform(19, 29) if light == "infrared" else rng.uniform(7, 17))
        yield replace(
            place,
            name=f"{n:04d}-{(species or 'nobody').replace(' ', '-')}",
            species=species,
            light=light,
            frames=int(rng.integers(3, 6)),
            started_at=FIRST_NIGHT + timedelta(days=n, hours=hour),
            wind=float(rng.uniform(0.2, 0.8)) if species is None or rng.random() < 0.3 else 0.0,
        )


def _place(rng: np.random.Generator, seed: int, number: int) -> Scene:
    """The properties that all bursts of one place share, as a scene."""
    return Scene(
        name="",
        species=None,
        light="day",
        frames=3,
        location=f"place-{number:03d}",
        place_seed=10_000 + 1000 * seed + number,
        lane_m=float(rng.uniform(3.0, 6.8)),
        snow=float(rng.uniform(0.1, 0.95)),
        started_at=FIRST_NIGHT,
        tufts=int(rng.choice([0, 8, 16])),
        split="test" if number % 5 == 4 else "train",
    )


def _label_rows(burst: RenderedBurst, folder: Path) -> Iterator[tuple[str, ...]]:
    scene = burst.scene
    for path, taken in zip(burst.frames, burst.taken_at, strict=True):
        time = taken.astimezone(UTC).isoformat(timespec="milliseconds")
        file = path.relative_to(folder).as_posix()
        yield file, scene.label, scene.name, scene.location, time, "rendered", scene.split


def _render(scene: Scene, folder: Path, seed: list[int], first_number: int) -> RenderedBurst:
    """Render one burst into its folder."""
    rng = np.random.default_rng(seed)
    stage = _set_stage(scene, rng)
    walker = _cast(scene, stage, rng)
    times = _times(scene, rng)
    celsius = int(rng.integers(-24, 3))
    folder.mkdir(parents=True, exist_ok=True)
    paths, boxes = [], []
    for n, taken in enumerate(times):
        part, moment_s = n / max(1, scene.frames - 1), (taken - times[0]).total_seconds()
        picture, box = shoot(stage, walker, part, moment_s, float(rng.normal(1.0, 0.025)), rng)
        content = stamped(picture, Stamp(taken, n + 1, scene.frames, scene.location, celsius))
        paths.append(folder / f"IMG_{first_number + n:04d}.jpg")
        paths[-1].write_bytes(content[: len(content) // 3] if n == scene.truncated else content)
        boxes.append(box)
    broken = () if scene.truncated is None else (paths[scene.truncated],)
    return RenderedBurst(folder, scene, tuple(paths), tuple(times), tuple(boxes), broken)


def _set_stage(scene: Scene, rng: np.random.Generator) -> Stage:
    """The place, which depends only on its own seed, in the burst's light."""
    place = np.random.default_rng([scene.place_seed])
    slope = make_slope(place, scene.lane_m, scene.snow)
    view = View(horizon=float(place.uniform(0.28, 0.40)), height_m=float(place.uniform(0.7, 1.1)))
    light = make_light(rng, scene.light)
    if scene.sun is not None and scene.light == "day":
        light = replace(light, sun=scene.sun)
    return make_stage(slope, view, light, make_tufts(place, slope, scene.tufts), scene.wind)


def _cast(scene: Scene, stage: Stage, rng: np.random.Generator) -> Walker | None:
    """The animal, which enters at an edge and walks past the middle; None without one."""
    if scene.species is None:
        return None
    side = float(rng.choice([-1.0, 1.0]))
    half_view = 0.5 * stage.slope.lane_z / stage.view.focal
    start = half_view + rng.uniform(-0.1, 0.4) if scene.frames > 3 else half_view * rng.uniform(0.4, 0.9)
    end = half_view * rng.uniform(-0.8, -0.1)
    return Walker(scene.species, make_coat(rng, scene.species), side * float(start), side * float(end))


def _times(scene: Scene, rng: np.random.Generator) -> list[datetime]:
    steps = rng.uniform(0.45, 1.1, scene.frames).cumsum()
    started = scene.started_at + timedelta(seconds=float(rng.integers(0, 3000)))
    return [started + timedelta(milliseconds=round(1000 * float(step))) for step in steps]
