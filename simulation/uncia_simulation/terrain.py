"""A mountain slope as a height field, and the view of a camera on it.

Decides where ground, boulders and ridges are and which of their points each pixel shows; `light` decides how they look.
Lengths are metres: x to the right of the camera, z away from it, heights above the camera's foot.
The view is computed by ray casting: for each column of the picture the ground is visited from near to far, and a pixel
shows the first point that is above its line of sight.
"""

from dataclasses import dataclass, replace

import numpy as np

from uncia_simulation.texture import TILE_PX, Array, fractal, sample, step


@dataclass(frozen=True)
class View:
    """A camera at x = z = 0 that looks along z.

    `focal` is the focal length in widths of the picture, `horizon` the horizon's distance from the top in heights of
    the picture, `height_m` the camera's height above the ground.
    """

    width_px: int = 1024
    height_px: int = 768
    focal: float = 1.1
    horizon: float = 0.33
    height_m: float = 0.9

    @property
    def focal_px(self) -> float:
        """The pixels of one metre at a distance of one metre."""
        return self.focal * self.width_px

    def column(self, x_m: float, z_m: float) -> float:
        """The column (pixels from the left) of a point."""
        return self.width_px / 2 + self.focal_px * x_m / z_m

    def row(self, height_m: float, z_m: float) -> float:
        """The row (pixels from the top) of a point."""
        return self.height_px * self.horizon - self.focal_px * (height_m - self.height_m) / z_m


@dataclass(frozen=True, eq=False)
class Boulder:
    """A stone at (x, z): the volume under all its planes (sides, 3), each (rise along x, rise along z, height)."""

    x: float
    z: float
    reach: float
    planes: Array


@dataclass(frozen=True, eq=False)
class Slope:
    """A place: the noise that shapes it, its boulders, its inclination, and the lane of the animals at z = `lane_z`."""

    relief: Array
    skyline: Array
    grain: Array
    boulders: tuple[Boulder, ...]
    lane_z: float
    fall: float
    rise: float
    snow: float
    peak_m: float
    base_m: float = 0.0

    def heights(self, x: Array, z: Array) -> Array:
        """The heights of the ground at points, given by arrays of equal shape."""
        lie = self.fall * 9.0 * np.tanh(x / 9.0) + self.rise * 22.0 * (1.0 - np.exp(-z / 22.0))
        rolling = 0.20 * self._relief(x, z, period_m=14.0) * (1.0 - step(30.0, 120.0, z))
        ground = lie + rolling - np.float32(self.base_m)
        return np.asarray(ground + self._outcrops(x, z) + self._stones(x, z) + self._ridges(x, z), np.float32)

    def height_at(self, x_m: float, z_m: float) -> float:
        """The height of the ground at one point."""
        return float(self.heights(np.full((1, 1), x_m, np.float32), np.full((1, 1), z_m, np.float32))[0, 0])

    def _relief(self, x: Array, z: Array, period_m: float, shift: float = 0.0) -> Array:
        scale = np.float32(TILE_PX / period_m)
        return sample(self.relief, x * scale + np.float32(shift), z * scale + np.float32(shift / 3))

    def _outcrops(self, x: Array, z: Array) -> Array:
        """The heights of bare rock on the slope; there is none near the lane."""
        bare = step(0.5, 1.0, self._relief(x, z, period_m=23.0, shift=190.0))
        bare *= (1.0 - np.exp(-(((z - self.lane_z) / 1.3) ** 2))) * (1.0 - step(20.0, 60.0, z))
        cracks = np.abs(self._relief(x, z, period_m=3.1, shift=77.0))
        return np.asarray(
            bare * (0.25 + 0.03 * z.clip(0, 40)) * (0.9 - 0.45 * cracks * (1.0 - 0.8 * step(8.0, 22.0, z))), np.float32
        )

    def _stones(self, x: Array, z: Array) -> Array:
        """The heights of the boulders, with a rough surface."""
        total = np.zeros_like(x)
        for stone in self.boulders:
            rows = np.flatnonzero(np.abs(z[:, 0] - stone.z) < 1.3 * stone.reach)
            if rows.size:
                near = slice(rows[0], rows[-1] + 1)
                np.maximum(total[near], self._stone(stone, x[near], z[near]), out=total[near])
        return total

    def _stone(self, stone: Boulder, x: Array, z: Array) -> Array:
        rough = np.float32(0.10 * stone.reach) * self._relief(x, z, period_m=3.3, shift=31.0)
        across, away = x - np.float32(stone.x), z - np.float32(stone.z)
        total = np.full_like(x, np.inf)
        for along_x, along_z, high in stone.planes:
            np.minimum(total, along_x * across + along_z * away + high, out=total)
        return np.asarray(np.clip(total + rough, 0.0, None), np.float32)

    def _ridges(self, x: Array, z: Array) -> Array:
        """The heights of the mountains in the background, from 200 m on."""
        far = z[:, 0] > 200.0
        total = np.zeros_like(x)
        if far.any():
            scale = np.float32(TILE_PX / 2400.0)
            shape = sample(self.skyline, x[far] * scale, z[far] * scale)
            spurs = 1.0 - np.abs(sample(self.skyline, x[far] * scale * 2.7, z[far] * scale * 2.7))
            total[far] = step(5.3, 7.5, np.log(z[far])) * self.peak_m * (1.0 + 0.35 * shape + 0.40 * spurs)
        return total


@dataclass(frozen=True, eq=False)
class Sight:
    """The point of a slope that each pixel (height, width) of a view shows.

    `x`, `z` and `height` are metres; `z` is infinite in the sky. `normal` (height, width, 3) points right, up, and
    away; `shaded` is 1 in the slope's own shadow.
    """

    x: Array
    z: Array
    height: Array
    normal: Array
    shaded: Array


def make_slope(rng: np.random.Generator, lane_z: float, snow: float = 0.5) -> Slope:
    """A random slope with boulders on both sides of the lane; `snow` from 0 (bare) to 1 (deep)."""
    slope = Slope(
        relief=fractal(rng, 2.0, finest_px=5.0),
        skyline=fractal(rng, 1.9, finest_px=16.0),
        grain=fractal(rng, 0.9),
        boulders=tuple(_boulder(rng, lane_z) for _ in range(int(rng.integers(12, 22)))),
        lane_z=lane_z,
        fall=float(rng.uniform(-0.16, 0.16)),
        rise=float(rng.uniform(0.05, 0.11)),
        snow=snow,
        peak_m=float(rng.uniform(90, 190)),
    )
    return replace(slope, base_m=slope.height_at(0.0, 2.5))


def _boulder(rng: np.random.Generator, lane_z: float) -> Boulder:
    """A stone behind the lane, or a smaller one in front of it; one plane is its top, the others its steep sides."""
    behind = rng.random() < 0.75
    z = lane_z + rng.uniform(1.2, 14.0) if behind else lane_z - rng.uniform(0.9, max(1.0, lane_z - 2.2))
    size = rng.uniform(0.2, 0.8) * (1.0 if behind else 0.55)
    turn = rng.uniform(0, 2 * np.pi) + np.arange(6) * (np.pi / 3) + rng.uniform(-0.4, 0.4, 6)
    steep = rng.uniform(1.0, 3.0, 6)
    reach = size * rng.uniform(0.75, 1.25, 6)
    sides = np.stack([-steep * np.cos(turn), -steep * np.sin(turn), steep * reach], axis=1)
    top = [*rng.uniform(-0.5, 0.5, 2), size * rng.uniform(0.5, 0.95)]
    planes = np.vstack([sides, top]).astype(np.float32)
    return Boulder(float(rng.uniform(-0.55, 0.55) * z), float(z), float(1.6 * size), planes)


def look(slope: Slope, view: View, sun_slope: float) -> Sight:
    """The view of a slope; `sun_slope` is the tangent of the sun's elevation, negative if the sun is on the right."""
    z = np.concatenate([np.geomspace(0.8, 60, 480), np.geomspace(61, 3500, 160)]).astype(np.float32)[:, None]
    across = (np.arange(view.width_px, dtype=np.float32) + 0.5 - view.width_px / 2) / np.float32(view.focal_px)
    x = across[None, :] * z
    z = np.broadcast_to(z, x.shape)
    height = slope.heights(x, z)
    rise_px = (height - view.height_m) * np.float32(view.focal_px) / z
    index, part = _first_hits(rise_px, view)
    sky = index == len(z)
    gather = _Gather(np.minimum(index, len(z) - 1), part)
    normal = np.stack([gather(side) for side in _normals(x, z, height)], axis=-1)
    shaded = gather(_in_shadow(x, height, sun_slope))
    distance = np.where(sky, np.float32(np.inf), gather(z))
    return Sight(gather(x), distance, gather(height), normal, shaded)


def _first_hits(rise_px: Array, view: View) -> tuple[np.ndarray, Array]:
    """For each pixel: the index of the first depth that covers it, and the position (0 to 1) from the one before."""
    depths, width = rise_px.shape
    highest = np.maximum.accumulate(rise_px, axis=0)
    first_row = np.clip(np.ceil(view.height_px * view.horizon - highest), 0, view.height_px).astype(np.int64)
    cells = first_row * width + np.arange(width)
    counts = np.bincount(cells.ravel(), minlength=(view.height_px + 1) * width).reshape(-1, width)
    index = depths - np.cumsum(counts[:-1], axis=0)
    level = (view.height_px * view.horizon - np.arange(view.height_px, dtype=np.float32))[:, None]
    here, before = np.clip(index, 1, depths - 1), np.clip(index, 1, depths - 1) - 1
    columns = np.arange(width)
    low, high = rise_px[before, columns], rise_px[here, columns]
    part = np.clip((level - low) / np.maximum(high - low, 1e-3), 0.0, 1.0)
    return index, np.asarray(part, np.float32)


class _Gather:
    """Interpolates fields (depths, width) at the points that the pixels show."""

    def __init__(self, index: np.ndarray, part: Array) -> None:
        width = index.shape[1]
        here = np.maximum(index, 1)
        self._here = (here * width + np.arange(width)).ravel()
        self._before = self._here - width
        self._part = part

    def __call__(self, field: Array) -> Array:
        flat = np.ascontiguousarray(field).ravel()
        near = flat[self._before].reshape(self._part.shape)
        return np.asarray(near + (flat[self._here].reshape(self._part.shape) - near) * self._part, np.float32)


def _normals(x: Array, z: Array, height: Array) -> tuple[Array, Array, Array]:
    """The unit normals of the ground: right, up, away."""
    along_x = np.gradient(height, axis=1) / (x[:, 1:2] - x[:, 0:1])
    along_ray = np.gradient(height, axis=0) / np.gradient(z, axis=0)
    along_z = along_ray - along_x * x / z
    length = np.sqrt(along_x**2 + along_z**2 + 1.0)
    return -along_x / length, 1.0 / length, -along_z / length


def _in_shadow(x: Array, height: Array, sun_slope: float) -> Array:
    """1 where a higher point hides the sun, which is to the left or right, else 0; the edges are soft."""
    towards_sun = slice(None, None, 1 if sun_slope > 0 else -1)
    line = (height + x * np.float32(sun_slope))[:, towards_sun]
    hidden = np.maximum.accumulate(line, axis=1) - line
    return step(0.02, 0.10, hidden[:, towards_sun])
