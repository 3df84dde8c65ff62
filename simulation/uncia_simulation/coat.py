"""Fur: draws an animal from its limbs, with rosettes, spots and bands that follow the limbs.

Decides colours, outline and relief of an animal's picture; `animal` decides its shape, `light` its brightness.
"""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from uncia_simulation.animal import BIRD_COLOURS, SPECIES, Colour, Limb, bird, quadruped
from uncia_simulation.texture import TILE_PX, Array, blurred, fractal, sample, step

TILE_M = 1.0  # side in metres of the fur that a tile covers
DARK: Colour = (0.17, 0.15, 0.14)


@dataclass(frozen=True, eq=False)
class Coat:
    """The fur of one individual: tiles of its patterns (1 is dark) and of its hair, and its colours."""

    rosettes: Array
    spots: Array
    hair: Array
    back: Colour
    flank: Colour
    under: Colour
    tail_tip: Colour | None


@dataclass(frozen=True, eq=False)
class Sprite:
    """The picture of an animal: colour and normal (height, width, 3), alpha (height, width).

    `foot` is the pixel (row, column) of the ground under the animal's middle.
    """

    colour: Array
    normal: Array
    alpha: Array
    foot: tuple[float, float]


def make_coat(rng: np.random.Generator, species: str) -> Coat:
    """The coat of a random individual of a species: spots and colour differ between individuals."""
    build = SPECIES.get(species)
    colours = (build.back, build.flank, build.under) if build else BIRD_COLOURS
    shade = float(rng.uniform(0.9, 1.1))
    back, flank, under = (tuple(min(1.0, shade * c) for c in colour) for colour in colours)
    tip = build.tail_tip if build else None
    return Coat(_pattern(rng, 81, 5, 0.036), _pattern(rng, 324, 1, 0.0), fractal(rng, 0.7), back, flank, under, tip)  # type: ignore[arg-type]


def _pattern(rng: np.random.Generator, count: int, blobs: int, radius_m: float) -> Array:
    """A tile with `count` rosettes of `blobs` blobs each on an irregular grid; with one blob they are spots."""
    tile = Image.new("L", (TILE_PX, TILE_PX))
    draw = ImageDraw.Draw(tile)
    across = round(count**0.5)
    for row in range(across):
        for column in range(across):
            jitter = rng.uniform(-0.33, 0.33, 2)
            middle = (np.array([column + 0.5 * (row % 2), row]) + 0.5 + jitter) * TILE_PX / across
            _rosette(draw, rng, middle, blobs, radius_m * TILE_PX / TILE_M)
    return np.asarray(tile, np.float32) / np.float32(255)


def _rosette(
    draw: ImageDraw.ImageDraw, rng: np.random.Generator, middle: np.ndarray, blobs: int, radius: float
) -> None:
    turn = rng.uniform(0, 2 * np.pi)
    if blobs > 1:
        draw.ellipse((*(middle - radius), *(middle + radius)), fill=95)
    for blob in range(blobs):
        angle = turn + 2 * np.pi * (blob + rng.uniform(-0.2, 0.2)) / blobs
        x, y = middle + radius * rng.uniform(0.8, 1.2, 2) * np.array([np.cos(angle), np.sin(angle)])
        wide, high = rng.uniform(0.011, 0.020, 2) * TILE_PX / TILE_M
        for left in (x, x - TILE_PX, x + TILE_PX):
            draw.ellipse((left - wide, y - high, left + wide, y + high), fill=255)


def picture(
    species: str, coat: Coat, phase: float, px_per_m: float, tilt: float, faces_left: bool, eyeshine: bool = False
) -> Sprite:
    """The picture of a walking animal.

    Args:
        species: its species.
        coat: its fur.
        phase: its place in the gait, in strides.
        px_per_m: the scale.
        tilt: how far the nose is up, in radians.
        faces_left: mirrors the picture.
        eyeshine: whether the eye reflects a flash.
    """
    build = SPECIES.get(species)
    limbs = [_tilted(limb, tilt) for limb in (quadruped(build, phase, eyeshine) if build else bird(phase))]
    left, top, right, bottom = _extent(limbs)
    columns = np.arange(left, right, 1 / px_per_m, dtype=np.float32)
    rows = np.arange(top, bottom, -1 / px_per_m, dtype=np.float32)
    colour, alpha, depth = _painted(limbs, coat, columns, rows, px_per_m)
    normal = _relief(depth, alpha, px_per_m)
    foot = (top * px_per_m, -left * px_per_m)
    if faces_left:
        colour, alpha, normal = colour[:, ::-1], alpha[:, ::-1], normal[:, ::-1] * np.array([-1, 1, 1], np.float32)
        foot = (foot[0], alpha.shape[1] - foot[1])
    return Sprite(np.ascontiguousarray(colour), normal, np.ascontiguousarray(alpha), foot)


def _tilted(limb: Limb, tilt: float) -> Limb:
    c, s = np.cos(tilt), np.sin(tilt)
    turn = np.array([[c, s, 0], [-s, c, 0], [0, 0, 1]], np.float32)
    return Limb(limb.spine @ turn, limb.pattern, limb.colour, limb.behind)


def _extent(limbs: list[Limb]) -> tuple[float, float, float, float]:
    """Left, top, right and bottom of the picture in metres, with a margin for hair."""
    spine = np.vstack([limb.spine for limb in limbs])
    low, high = spine[:, :2] - spine[:, 2:], spine[:, :2] + spine[:, 2:]
    return (
        float(low[:, 0].min() - 0.04),
        float(high[:, 1].max() + 0.04),
        float(high[:, 0].max() + 0.04),
        float(low[:, 1].min() - 0.04),
    )


def _painted(limbs: list[Limb], coat: Coat, columns: Array, rows: Array, px_per_m: float) -> tuple[Array, Array, Array]:
    """Colour, alpha and depth of all limbs; later limbs cover earlier ones."""
    colour = np.zeros((len(rows), len(columns), 3), np.float32)
    alpha, depth = np.zeros(colour.shape[:2], np.float32), np.zeros(colour.shape[:2], np.float32)
    for limb in limbs:
        window = _window(limb, columns, rows)
        inside, along, aside, radius = _distances(limb, columns[window[1]], rows[window[0]])
        hair = sample(coat.hair, aside * 900, along * 260) * 0.004
        cover = step(-0.6, 0.6, (inside + hair) * np.float32(px_per_m))
        fur = _fur(limb, coat, along, aside, radius, rows[window[0]], body_span(limbs))
        fur *= 1.0 + 0.07 * sample(coat.hair, aside * 700, along * 200)[..., None]
        colour[window] += (fur - colour[window]) * cover[..., None]
        alpha[window] = np.maximum(alpha[window], cover)
        bulge = np.sqrt(np.clip(radius**2 - aside**2, 0, None)) * cover
        depth[window] = np.maximum(depth[window] * (0.85 if limb.behind else 1.0), bulge)
    return colour, alpha, depth


def body_span(limbs: list[Limb]) -> tuple[float, float]:
    """The lowest and highest point of the animal's body (its thickest limb), in metres."""
    trunk = max(limbs, key=lambda limb: float(limb.spine[:, 2].max())).spine
    return float((trunk[:, 1] - trunk[:, 2]).min()), float((trunk[:, 1] + trunk[:, 2]).max())


def _window(limb: Limb, columns: Array, rows: Array) -> tuple[slice, slice]:
    """The rows and columns that a limb may cover."""
    low = (limb.spine[:, :2] - limb.spine[:, 2:]).min(axis=0) - 0.03
    high = (limb.spine[:, :2] + limb.spine[:, 2:]).max(axis=0) + 0.03
    left, right = np.searchsorted(columns, [low[0], high[0]])
    top, bottom = np.searchsorted(-rows, [-high[1], -low[1]])
    return slice(int(top), int(bottom)), slice(int(left), int(right))


def _distances(limb: Limb, columns: Array, rows: Array) -> tuple[Array, Array, Array, Array]:
    """For each point: its depth in the limb, its place along and across the spine, and the limb's radius there.

    Beyond both ends the place along the spine continues in a straight line, so that patterns do not bend there.
    """
    shape = (len(rows), len(columns))
    inside = np.full(shape, -1.0, np.float32)
    along, aside, radius = (np.zeros(shape, np.float32) for _ in range(3))
    start, last = 0.0, len(limb.spine) - 2
    for i, piece in enumerate(zip(limb.spine, limb.spine[1:], strict=False)):
        (ax, ay, ar), (bx, by, br) = piece
        near = _window(Limb(np.stack(piece)), columns, rows)
        x, y = columns[None, near[1]] - ax, rows[near[0], None] - ay
        length = max(float(np.hypot(bx - ax, by - ay)), 1e-4)
        ux, uy = (bx - ax) / length, (by - ay) / length
        forward, side = x * ux + y * uy, y * ux - x * uy
        t = np.clip(forward / length, 0, 1)
        here = ar + (br - ar) * t
        depth = here - np.hypot(side, forward - t * length)
        nearer = depth > inside[near]
        place = np.clip(forward, -1.0 if i == 0 else -0.08, length + (1.0 if i == last else 0.08))
        for field, value in ((inside, depth), (along, start + place), (aside, side), (radius, here)):
            np.copyto(field[near], value, where=nearer)
        start += length
    return inside, along, aside, radius


def _fur(
    limb: Limb, coat: Coat, along: Array, aside: Array, radius: Array, rows: Array, body: tuple[float, float]
) -> Array:
    """The colours (height, width, 3) of one limb: darker above, paler below, with its pattern."""
    flank = np.array(limb.colour or coat.flank, np.float32)
    if limb.colour and limb.pattern == "plain":
        return np.asarray(np.broadcast_to(flank, (*along.shape, 3)).copy(), np.float32)
    up = np.broadcast_to(((rows - body[0]) / (body[1] - body[0]))[:, None], along.shape)
    back, under = (np.array(limb.colour or tone, np.float32) for tone in (coat.back, coat.under))
    above, below = step(0.55, 1.0, up)[..., None], step(0.35, -0.05, up)[..., None] * 0.8
    fur = flank * (1 - above) + back * above
    fur = fur * (1 - below) + under * below
    dark = _marks(limb, coat, along, aside, radius)[..., None] * (1.0 - 0.55 * below)
    fur = fur * (1 - dark) + np.array(DARK, np.float32) * dark
    if limb.pattern == "bands" and coat.tail_tip and not limb.colour:
        tip = step(0.90, 0.93, along / along.max())[..., None]
        fur = fur * (1 - tip) + np.array(coat.tail_tip, np.float32) * tip
    return np.asarray(fur * (0.72 if limb.behind else 1.0), np.float32)


def _marks(limb: Limb, coat: Coat, along: Array, aside: Array, radius: Array) -> Array:
    """How much the pattern darkens each point, 0 to 0.9. Marks are closer near the outline, as on a round body."""
    round_off = np.clip(aside / np.maximum(radius, 1e-4), -1.0, 1.0)
    wrap = np.asarray(aside * (1.0 + 0.3 * round_off**2), np.float32)
    scale = np.float32(TILE_PX / TILE_M)
    shift = np.float32(97.0 * len(limb.spine) + (230.0 if limb.behind else 0.0))
    if limb.pattern == "rosettes":
        return 0.88 * sample(coat.rosettes, along * scale + shift, wrap * scale)
    if limb.pattern == "spots":
        return 0.82 * sample(coat.spots, along * scale + shift, wrap * scale + shift)
    if limb.pattern == "bands":
        return 0.75 * step(0.25, 0.75, np.sin(along * np.float32(2 * np.pi / 0.105)) - 0.25 * aside / radius.clip(0.01))
    return np.zeros_like(along)


def _relief(depth: Array, alpha: Array, px_per_m: float) -> Array:
    """The unit normals (right, up, away) of the rounded body, (height, width, 3)."""
    soft = blurred(depth, max(1, int(0.012 * px_per_m)))
    along_y, along_x = np.gradient(soft * px_per_m)
    normal = np.stack([-along_x, along_y, -np.ones_like(alpha)], axis=-1)
    return np.asarray(normal / np.linalg.norm(normal, axis=-1, keepdims=True), np.float32)
