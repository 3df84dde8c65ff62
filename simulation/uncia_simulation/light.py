"""Light of sun, overcast sky and infrared flash: the brightness of surfaces, and the sensor's exposure and noise.

Decides colours and noise; `terrain` and `animal` decide where things are. Pictures are float32 (height, width, 3), 0
black, 1 white, as displayed (not linear light), until `expose` makes an 8-bit image.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from PIL import Image, ImageFilter

from uncia_simulation.terrain import Sight, Slope
from uncia_simulation.texture import TILE_PX, Array, sample, step

Kind = Literal["day", "infrared"]
SNOW = np.array([0.93, 0.94, 0.96], np.float32)
GROUND = np.array([0.44, 0.38, 0.29], np.float32)
SKY_LIGHT = np.array([0.87, 0.99, 1.14], np.float32)  # blue sky, mean 1


@dataclass(frozen=True)
class Light:
    """The light of a scene.

    `sun_slope` is the tangent of the sun's elevation, negative if the sun is on the right. `sun` is the share of direct
    light (0 under clouds), `rock` the colour of rock, `reach_m` the distance at which the flash has half its strength,
    `noise` the standard deviation of the sensor's noise in grey levels.
    """

    kind: Kind
    sun_slope: float = 0.7
    sun: float = 0.75
    rock: tuple[float, float, float] = (0.40, 0.36, 0.32)
    reach_m: float = 5.0
    noise: float = 2.0

    @property
    def direction(self) -> Array:
        """The unit vector (right, up, away) from the ground to the sun or the flash."""
        if self.kind == "infrared":
            return np.array([0.0, 0.25, -0.97], np.float32)
        towards = np.array([-np.sign(self.sun_slope), abs(self.sun_slope), -0.45], np.float32)
        return np.asarray(towards / np.linalg.norm(towards), np.float32)


def make_light(rng: np.random.Generator, kind: Kind) -> Light:
    """A random light of that kind."""
    grey = rng.uniform(0.36, 0.56)
    return Light(
        kind=kind,
        sun_slope=float(rng.choice([-1, 1]) * rng.uniform(0.45, 0.9)),
        sun=float(rng.choice([0.0, 0.35, 0.7, 0.8])) if kind == "day" else 0.0,
        rock=(float(grey * 1.08), float(grey), float(grey * rng.uniform(0.86, 0.98))),
        reach_m=float(rng.uniform(4.0, 6.5)),
        noise=2.0 if kind == "day" else 5.0,
    )


def lit(light: Light, colour: Array, normal: Array, shaded: Array, z: Array | float) -> Array:
    """The colours (height, width, 3) of surfaces under a light.

    Args:
        light: the light.
        colour: the surfaces' own colours, (height, width, 3).
        normal: their unit normals, (height, width, 3).
        shaded: 1 in shadow, 0 in direct light, (height, width).
        z: their distances in metres.
    """
    facing = np.clip(normal @ light.direction, 0.0, 1.0)
    if light.kind == "infrared":
        grey = (colour.mean(axis=-1) * (0.35 + 0.65 * facing) * _flash(light, z)) ** np.float32(0.75)
        return np.repeat(np.asarray(grey, np.float32)[..., None], 3, axis=-1)
    direct = light.sun * facing * (1.0 - shaded)
    above = np.clip(normal[..., 1] - 0.35 * normal[..., 2] + 0.25 * normal[..., 0], 0, 1.1)
    ambient = (1.0 - 0.62 * light.sun) * (0.55 + 0.45 * above)
    sky = SKY_LIGHT if light.sun else np.ones(3, np.float32)
    warm = np.array([1.16, 1.06, 0.92], np.float32)
    return np.asarray(colour * (direct[..., None] * 1.12 * warm + ambient[..., None] * sky), np.float32)


def _flash(light: Light, z: Array | float) -> Array:
    """The strength of the flash at a distance: half at `reach_m`, almost 0 far away."""
    return np.asarray(1.25 / (1.0 + (np.asarray(z, np.float32) / light.reach_m) ** 2), np.float32)


def landscape(slope: Slope, sight: Sight, light: Light) -> Array:
    """The scene without animals, (height, width, 3)."""
    seen = np.isfinite(sight.z)
    x, z, height = (np.where(seen, field, 0.0).astype(np.float32) for field in (sight.x, sight.z, sight.height))
    grain = _grain(slope, x, z, height)
    picture = lit(light, _ground_colour(slope, sight, light, grain), sight.normal, sight.shaded, z)
    if light.kind == "day":
        haze = (0.75 * (1.0 - np.exp(-z / 2600.0)))[..., None]
        picture = picture * (1 - haze) + haze * _sky(light, z.shape)
    return _soft(np.where(seen[..., None], picture, _sky(light, z.shape)))


def _soft(picture: Array) -> Array:
    """The picture with a slight blur, as from a lens, which hides the steps of the ray casting."""
    grey = Image.fromarray((255.0 * np.clip(picture, 0, 1)).astype(np.uint8))
    return np.asarray(grey.filter(ImageFilter.GaussianBlur(0.7)), np.float32) / np.float32(255)


def _grain(slope: Slope, x: Array, z: Array, height: Array) -> Array:
    """The grain of rock and snow; its scale grows with the distance, so that it does not flicker."""
    coarse = np.exp2(np.floor(np.log2(np.maximum(z, 1.0) / 2.5)).clip(0, 9)).astype(np.float32)
    scale = np.float32(TILE_PX / 1.7) / coarse
    return sample(slope.grain, (x + 0.3 * z) * scale, (z + 1.7 * height) * scale)


def _ground_colour(slope: Slope, sight: Sight, light: Light, grain: Array) -> Array:
    """The ground's colours: snow on level ground, rock on steep ground, earth in between."""
    level = sight.normal[..., 1] + 0.035 * grain
    far = 0.05 * step(200.0, 600.0, np.where(np.isfinite(sight.z), sight.z, 0.0).astype(np.float32))
    snow_line = 1.06 - 0.42 * slope.snow + far
    snow = step(-0.06, 0.06, level - snow_line)[..., None]
    earth = step(0.78, 0.9, level)[..., None]
    rock = np.array(light.rock, np.float32) * (1.0 + 0.22 * grain[..., None])
    bare = rock * (1 - earth) + GROUND * (1.0 + 0.20 * grain[..., None]) * earth
    return np.asarray(np.maximum(bare, 0.02) * (1 - snow) + SNOW * (1.0 + 0.012 * grain[..., None]) * snow, np.float32)


def _sky(light: Light, shape: tuple[int, ...]) -> Array:
    """The sky (height, width, 3): blue, overcast, or black at night."""
    if light.kind == "infrared":
        return np.zeros((*shape, 3), np.float32)
    high, low = ([0.20, 0.38, 0.68], [0.62, 0.75, 0.88]) if light.sun else ([0.70, 0.73, 0.77], [0.80, 0.82, 0.84])
    down = np.linspace(0, 1.8, shape[0], dtype=np.float32).clip(0, 1)[:, None, None]
    gradient = np.array(high, np.float32) * (1 - down) + np.array(low, np.float32) * down
    return np.asarray(np.broadcast_to(gradient, (*shape, 3)), np.float32)


def expose(picture: Array, light: Light, gain: float, rng: np.random.Generator) -> Image.Image:
    """The camera's picture of a scene in 8 bits: with vignette, gain and noise."""
    height, width = picture.shape[:2]
    rows, columns = np.linspace(-1, 1, height, dtype=np.float32), np.linspace(-1, 1, width, dtype=np.float32)
    corners = rows[:, None] ** 2 + columns[None, :] ** 2
    fall = np.float32(255 * gain) * (1.0 - np.float32(0.26 if light.kind == "infrared" else 0.06) * corners)
    grey = np.minimum(picture, 1.0) * fall[..., None]
    grey += np.float32(light.noise) * rng.standard_normal((height, width, 1), dtype=np.float32)
    return Image.fromarray(np.clip(grey, 0, 255, out=grey).astype(np.uint8))
