"""A place in one light, and the frames that a camera takes of an animal in it.

Decides how backdrop, shadow, animal and grass are combined in a frame; `scenes` decides what happens.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image

from uncia_simulation.animal import SPECIES
from uncia_simulation.coat import Coat, Sprite, picture
from uncia_simulation.grass import Tuft, draw
from uncia_simulation.light import Light, expose, landscape, lit
from uncia_simulation.terrain import Sight, Slope, View, look
from uncia_simulation.texture import Array

Box = tuple[float, float, float, float]
FUR_IN_INFRARED = 0.6  # fur reflects less of the flash than snow


@dataclass(frozen=True, eq=False)
class Stage:
    """A slope seen by one camera in one light; `backdrop` (height, width, 3) is the scene without animals."""

    slope: Slope
    view: View
    light: Light
    sight: Sight
    backdrop: Array
    tufts: tuple[Tuft, ...]
    wind: float


@dataclass(frozen=True, eq=False)
class Walker:
    """An animal that walks along the lane from x = `start_m` to x = `end_m` during the burst."""

    species: str
    coat: Coat
    start_m: float
    end_m: float

    def place(self, part: float) -> float:
        """Its x in metres after a part (0 to 1) of the burst."""
        return self.start_m + (self.end_m - self.start_m) * part

    def phase(self, part: float) -> float:
        """The number of strides after a part (0 to 1) of the burst."""
        stride = SPECIES[self.species].stride if self.species in SPECIES else 0.08
        return abs(self.place(part) - self.start_m) / (4 * stride) + 0.1


def make_stage(slope: Slope, view: View, light: Light, tufts: tuple[Tuft, ...], wind: float) -> Stage:
    """The stage, with its backdrop rendered."""
    sight = look(slope, view, light.sun_slope)
    return Stage(slope, view, light, sight, landscape(slope, sight, light), tufts, wind)


def shoot(
    stage: Stage, walker: Walker | None, part: float, moment_s: float, gain: float, rng: np.random.Generator
) -> tuple[Image.Image, Box | None]:
    """One frame, and the box (left, top, width, height in fractions) around the visible part of the animal, or None."""
    scene = stage.backdrop.copy()
    box = _add_animal(scene, stage, walker, part) if walker else None
    if stage.tufts:
        _add_grass(scene, stage, moment_s)
    return expose(scene, stage.light, gain, rng), box


def _add_grass(scene: Array, stage: Stage, moment_s: float) -> None:
    colour, cover = draw(stage.tufts, stage.view, stage.wind, moment_s)
    rows, columns = np.flatnonzero(cover.any(axis=1)), np.flatnonzero(cover.any(axis=0))
    if not rows.size:
        return
    part = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    upright = np.zeros((*cover[part].shape, 3), np.float32)
    upright[..., 1:] = (0.6, -0.8)
    shaded = 0.5 * stage.sight.shaded[part]
    blades = lit(stage.light, colour[part], upright, shaded, stage.slope.lane_z - 1.0)
    scene[part] += (blades - scene[part]) * cover[part][..., None]


def _add_animal(scene: Array, stage: Stage, walker: Walker, part: float) -> Box | None:
    """Draw the animal and its shadow into the scene, behind nearer rocks; return its box, or None if it is hidden."""
    x, z = walker.place(part), stage.slope.lane_z
    foot_m, tilt, left = _ground_under(stage.slope, walker, x)
    sprite = picture(
        walker.species, walker.coat, walker.phase(part), stage.view.focal_px / z, tilt, left,
        eyeshine=stage.light.kind == "infrared",
    )  # fmt: skip
    top = round(stage.view.row(foot_m, z) - sprite.foot[0])
    start = round(stage.view.column(x, z) - sprite.foot[1])
    _add_shadow(scene, stage, x, foot_m, sprite.alpha.shape[1] * z / stage.view.focal_px)
    return _paste(scene, stage, sprite, top, start)


def _ground_under(slope: Slope, walker: Walker, x: float) -> tuple[float, float, bool]:
    """The height of the ground under the animal, its tilt (nose up, radians), and whether it walks to the left."""
    reach = 0.4 * SPECIES[walker.species].length if walker.species in SPECIES else 0.05
    low, high = slope.height_at(x - reach, slope.lane_z), slope.height_at(x + reach, slope.lane_z)
    left = walker.end_m < walker.start_m
    tilt = float(np.clip(np.arctan2(high - low, 2 * reach), -0.3, 0.3))
    return (low + high) / 2 - 0.015, -tilt if left else tilt, left


def _add_shadow(scene: Array, stage: Stage, x: float, foot_m: float, long_m: float) -> None:
    """Darken the ground under the animal and on the side away from the sun."""
    z, light = stage.slope.lane_z, stage.light
    away = float(np.sign(light.sun_slope)) * (0.25 * long_m if light.sun else 0.0)
    columns = [max(0, round(stage.view.column(x + side * long_m, z))) for side in (-1, 1)]
    rows = [max(0, round(stage.view.row(foot_m + rise, z))) for rise in (0.5, -0.7)]
    part = slice(*rows), slice(*columns)
    ground = np.where(np.isfinite(stage.sight.z[part]), stage.sight.z[part], 0.0)
    across, depth = (stage.sight.x[part] - (x + away)) / (0.42 * long_m), (ground - z - 0.05) / 0.28
    dark = np.exp(-((across**2 + depth**2) ** 1.5)) * (0.30 + 0.35 * light.sun)
    scene[part] *= (1.0 - dark * (1.0 - 0.7 * stage.sight.shaded[part]))[..., None]


def _paste(scene: Array, stage: Stage, sprite: Sprite, top: int, left: int) -> Box | None:
    high, wide = sprite.alpha.shape
    first_row, first_column = max(0, top), max(0, left)
    last_row, last_column = min(scene.shape[0], top + high), min(scene.shape[1], left + wide)
    if first_row >= last_row or first_column >= last_column:
        return None
    there = slice(first_row, last_row), slice(first_column, last_column)
    here = slice(first_row - top, last_row - top), slice(first_column - left, last_column - left)
    z = stage.slope.lane_z
    alpha = sprite.alpha[here] * (stage.sight.z[there] > z - 0.35)
    colour = sprite.colour[here] * np.float32(FUR_IN_INFRARED if stage.light.kind == "infrared" else 1.0)
    fur = lit(stage.light, colour, sprite.normal[here], np.zeros_like(alpha), z)
    scene[there] += (fur - scene[there]) * alpha[..., None]
    return _box(alpha, first_row, first_column, scene.shape)


def _box(alpha: Array, top: int, left: int, shape: tuple[int, ...]) -> Box | None:
    rows, columns = np.flatnonzero((alpha > 0.5).any(axis=1)), np.flatnonzero((alpha > 0.5).any(axis=0))
    if not rows.size:
        return None
    high, wide = shape[:2]
    return (
        float((left + columns[0]) / wide),
        float((top + rows[0]) / high),
        float((columns[-1] - columns[0] + 1) / wide),
        float((rows[-1] - rows[0] + 1) / high),
    )
