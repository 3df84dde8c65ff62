"""Tufts of dry grass in the foreground, still or in the wind.

Decides where blades are and how they bend; `stage` adds them to the picture.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from uncia_simulation.terrain import Slope, View
from uncia_simulation.texture import Array

STRAW = np.array([0.66, 0.57, 0.37], np.float32)


@dataclass(frozen=True, eq=False)
class Tuft:
    """Grass at (x, z) on ground at `ground_m`; `blades` (n, 5) are root, height, lean (metres), phase and shade."""

    x: float
    z: float
    ground_m: float
    blades: Array


def make_tufts(rng: np.random.Generator, slope: Slope, count: int) -> tuple[Tuft, ...]:
    """Random tufts between the camera and the lane of the animals."""
    return tuple(_tuft(rng, slope) for _ in range(count))


def _tuft(rng: np.random.Generator, slope: Slope) -> Tuft:
    n = int(rng.integers(25, 60))
    z = float(rng.uniform(1.9, max(2.2, slope.lane_z - 0.6)))
    x = float(rng.uniform(-0.5, 0.5) * z)
    high = rng.uniform(0.12, 0.42, n) * rng.uniform(0.7, 1.1)
    columns = [
        rng.normal(0, 0.05, n),
        high,
        rng.normal(0, 0.3, n) * high,
        rng.normal(0, 0.5, n),
        rng.uniform(0.5, 1, n),
    ]
    return Tuft(x, z, slope.height_at(x, z), np.stack(columns, axis=1).astype(np.float32))


def draw(tufts: tuple[Tuft, ...], view: View, wind: float, moment_s: float) -> tuple[Array, Array]:
    """The grass at a moment: colour (height, width, 3), alpha (height, width); `wind` from 0 (still) to 1 (storm)."""
    size = (view.width_px, view.height_px)
    shade, cover = Image.new("L", size), Image.new("L", size)
    for tuft in sorted(tufts, key=lambda each: -each.z):
        _draw_tuft(tuft, view, wind, moment_s, ImageDraw.Draw(shade), ImageDraw.Draw(cover))
    cover = cover.filter(ImageFilter.GaussianBlur(0.6))
    grey = np.asarray(shade, np.float32)[..., None] / np.float32(255)
    return np.asarray(grey * STRAW, np.float32), np.asarray(cover, np.float32) / np.float32(255)


def _draw_tuft(
    tuft: Tuft, view: View, wind: float, moment_s: float, shade: ImageDraw.ImageDraw, cover: ImageDraw.ImageDraw
) -> None:
    thick = max(1, round(0.006 * view.focal_px / tuft.z))
    for root, high, lean, phase, tone in tuft.blades:
        gust = wind * high * (0.55 + 0.6 * np.sin(2.3 * moment_s + 1.7 * tuft.x + phase))
        line = [
            (view.column(tuft.x + root + (lean + gust) * t * t, tuft.z), view.row(tuft.ground_m + high * t, tuft.z))
            for t in (0.0, 0.4, 0.75, 1.0)
        ]
        shade.line(line, fill=int(255 * tone), width=thick)
        cover.line(line, fill=255, width=thick)
