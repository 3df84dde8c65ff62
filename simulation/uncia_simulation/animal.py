"""Models of walking animals: bodies made of tapered limbs.

Decides shapes and gaits; `coat` decides fur and patterns, `light` brightness. Lengths are metres in the animal's
plane: x towards its nose, y up, the ground at y = 0, x = 0 between its feet. It is seen from its right side.
"""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np

from uncia_simulation.texture import Array

Pattern = Literal["rosettes", "spots", "bands", "plain"]
Colour = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Limb:
    """A chain of discs: `spine` (points, 3) holds x, y and radius. `behind` marks a limb on the far side."""

    spine: Array
    pattern: Pattern = "plain"
    colour: Colour | None = None
    behind: bool = False


@dataclass(frozen=True)
class Build:
    """The measures of a four-legged species, in metres.

    `chest`, `belly`, `hip`, `neck_r`, `head_r` and `leg_r` are radii. `tail` and `horns` are points (x, y, radius)
    relative to their root; `ear` is (height, radius, radius of the tip). `neck` is the vector (x, y) from the shoulder
    to the head.
    """

    shoulder: float
    length: float
    chest: float
    belly: float
    hip: float
    leg_r: float
    neck: tuple[float, float]
    neck_r: float
    head_r: float
    muzzle: tuple[float, float, float]
    ear: tuple[float, float, float]
    tail: tuple[tuple[float, float, float], ...]
    stride: float
    back: Colour
    flank: Colour
    under: Colour
    horns: tuple[tuple[float, float, float], ...] = ()
    tail_tip: Colour | None = None
    patterns: dict[str, Pattern] = field(default_factory=dict)


SNOW_LEOPARD = Build(
    shoulder=0.56, length=0.84, chest=0.165, belly=0.155, hip=0.165, leg_r=0.062, neck=(0.22, 0.045), neck_r=0.125,
    head_r=0.112, muzzle=(0.09, -0.05, 0.066), ear=(0.055, 0.036, 0.026),
    tail=((0, 0, 0.075), (-0.18, -0.14, 0.062), (-0.36, -0.33, 0.06), (-0.60, -0.41, 0.062), (-0.82, -0.36, 0.062),
          (-0.97, -0.24, 0.05)),
    stride=0.17, back=(0.62, 0.58, 0.52), flank=(0.76, 0.72, 0.65), under=(0.90, 0.88, 0.84),
    tail_tip=(0.20, 0.18, 0.17), patterns={"body": "rosettes", "leg": "spots", "head": "spots", "tail": "bands"},
)  # fmt: skip
IBEX = Build(
    shoulder=0.80, length=0.80, chest=0.20, belly=0.20, hip=0.17, leg_r=0.042, neck=(0.24, 0.22), neck_r=0.115,
    head_r=0.085, muzzle=(0.17, -0.10, 0.05), ear=(0.07, 0.028, 0.012), tail=((0, 0, 0.04), (-0.10, -0.03, 0.025)),
    stride=0.19, back=(0.34, 0.27, 0.20), flank=(0.47, 0.38, 0.29), under=(0.68, 0.61, 0.52),
    horns=((0, 0, 0.040), (-0.05, 0.22, 0.034), (-0.20, 0.39, 0.026), (-0.40, 0.45, 0.018), (-0.54, 0.38, 0.010)),
)  # fmt: skip
FOX = Build(
    shoulder=0.37, length=0.42, chest=0.085, belly=0.075, hip=0.08, leg_r=0.024, neck=(0.11, 0.06), neck_r=0.06,
    head_r=0.062, muzzle=(0.105, -0.025, 0.020), ear=(0.085, 0.030, 0.006),
    tail=((0, 0, 0.035), (-0.12, -0.05, 0.065), (-0.28, -0.11, 0.078), (-0.40, -0.14, 0.05), (-0.46, -0.15, 0.02)),
    stride=0.12, back=(0.56, 0.34, 0.18), flank=(0.66, 0.42, 0.24), under=(0.86, 0.82, 0.76),
    tail_tip=(0.93, 0.91, 0.88),
)  # fmt: skip
WOLF = Build(
    shoulder=0.72, length=0.80, chest=0.165, belly=0.125, hip=0.13, leg_r=0.042, neck=(0.22, 0.10), neck_r=0.125,
    head_r=0.10, muzzle=(0.19, -0.035, 0.042), ear=(0.105, 0.036, 0.010),
    tail=((0, 0, 0.05), (-0.12, -0.12, 0.068), (-0.20, -0.30, 0.06), (-0.23, -0.44, 0.025)),
    stride=0.22, back=(0.38, 0.36, 0.33), flank=(0.58, 0.55, 0.50), under=(0.78, 0.75, 0.70),
)  # fmt: skip
HARE = Build(
    shoulder=0.22, length=0.26, chest=0.085, belly=0.095, hip=0.115, leg_r=0.026, neck=(0.08, 0.06), neck_r=0.05,
    head_r=0.055, muzzle=(0.05, -0.02, 0.032), ear=(0.16, 0.022, 0.012), tail=((0, 0, 0.04), (-0.07, 0.02, 0.035)),
    stride=0.07, back=(0.50, 0.45, 0.38), flank=(0.60, 0.56, 0.49), under=(0.88, 0.86, 0.82),
)  # fmt: skip
BIRD_COLOURS: tuple[Colour, Colour, Colour] = ((0.36, 0.35, 0.35), (0.52, 0.49, 0.46), (0.72, 0.69, 0.64))

SPECIES: dict[str, Build] = {
    "snow leopard": SNOW_LEOPARD,
    "ibex": IBEX,
    "fox": FOX,
    "wolf": WOLF,
    "hare": HARE,
}


def quadruped(build: Build, phase: float, eyeshine: bool = False) -> list[Limb]:
    """The limbs of a walking animal, far side first; `phase` in strides. `eyeshine`: the eye reflects a flash."""
    hip, front = -build.length / 2, build.length / 2
    bob = 0.02 * build.shoulder * np.sin(4 * np.pi * phase)
    back = build.shoulder + bob
    limbs = [_leg(build, front, phase + 0.5, fore=True, behind=True), _leg(build, hip, phase + 0.75, behind=True)]
    limbs += [_tail(build, hip, back, phase), _trunk(build, back)]
    limbs += [
        *_head(build, front, back, eyeshine),
        _leg(build, hip, phase + 0.25),
        _leg(build, front, phase, fore=True),
    ]
    return limbs


def bird(phase: float) -> list[Limb]:
    """The limbs of a snowcock that walks and pecks."""
    peck = 0.16 * max(0.0, float(np.sin(2 * np.pi * phase)))
    swing = 0.06 * np.sin(4 * np.pi * phase)
    legs = [
        _limb([(0.0, 0.16, 0.016), (side * swing, 0.02, 0.010), (side * swing + 0.05, 0.01, 0.009)],
              colour=(0.55, 0.32, 0.16), behind=side < 0)
        for side in (-1, 1)
    ]  # fmt: skip
    body = _limb([(-0.30, 0.27, 0.025), (-0.16, 0.27, 0.085), (0.02, 0.27, 0.125), (0.14, 0.32, 0.085)])
    neck = _limb([(0.15, 0.33, 0.06), (0.20, 0.42 - peck, 0.042), (0.23, 0.47 - 1.5 * peck, 0.044)])
    beak = _limb([(0.27, 0.465 - 1.5 * peck, 0.016), (0.315, 0.45 - 1.5 * peck, 0.006)], colour=(0.62, 0.36, 0.18))
    return [legs[0], body, neck, beak, legs[1]]


def _limb(points: list[tuple[float, float, float]], pattern: Pattern = "plain", colour: Colour | None = None,
          behind: bool = False) -> Limb:  # fmt: skip
    return Limb(smooth(np.array(points, np.float32)), pattern, colour, behind)


def smooth(points: Array, pieces: int = 4) -> Array:
    """A Catmull-Rom curve through points (n, k), with `pieces` steps between two neighbouring points."""
    padded = np.vstack([2 * points[:1] - points[1:2], points, 2 * points[-1:] - points[-2:-1]])
    t = np.linspace(0, 1, pieces, endpoint=False)[:, None]
    curve = []
    for a, b, c, d in zip(padded, padded[1:], padded[2:], padded[3:], strict=False):
        curve.append(0.5 * (2 * b + (c - a) * t + (2 * a - 5 * b + 4 * c - d) * t**2 + (3 * b - a - 3 * c + d) * t**3))
    return np.asarray(np.vstack([*curve, points[-1:]]), np.float32)


def _trunk(build: Build, back: float) -> Limb:
    hip, front = -build.length / 2, build.length / 2
    points = [
        (hip - 0.35 * build.hip, back - 1.05 * build.hip, 0.78 * build.hip),
        (hip + 0.05, back - build.hip, build.hip),
        (0.0, back - 1.12 * build.belly, build.belly),
        (front - 0.12, back - 1.02 * build.chest, build.chest),
        (front + 0.25 * build.chest, back - 0.95 * build.chest, 0.86 * build.chest),
    ]
    return _limb(points, build.patterns.get("body", "plain"))


def _leg(build: Build, root: float, phase: float, fore: bool = False, behind: bool = False) -> Limb:
    """A leg; the paw is on the ground while it moves back, and is lifted while it moves forward."""
    swing = build.stride * np.cos(2 * np.pi * phase)
    lift = 0.10 * build.shoulder * max(0.0, -np.sin(2 * np.pi * phase))
    high, r = build.shoulder, build.leg_r
    knee = 0.03 * high if fore else 0.10 * high
    hock = -0.02 * high if fore else -0.09 * high
    thigh = 1.55 if fore else 2.0
    shift = 0.05 if behind else 0.0
    points = [
        (root + shift, 0.66 * high, thigh * r),
        (root + shift + 0.35 * swing + knee, 0.45 * high + 0.3 * lift, 1.2 * r),
        (root + shift + 0.75 * swing + hock, 0.22 * high + 0.8 * lift, 0.72 * r),
        (root + shift + swing, 0.75 * r + lift, 0.78 * r),
        (root + shift + swing + 1.1 * r, 0.62 * r + lift, 0.66 * r),
    ]
    return _limb(points, build.patterns.get("leg", "plain"), behind=behind)


def _tail(build: Build, hip: float, back: float, phase: float) -> Limb:
    sway = 0.05 * np.sin(2 * np.pi * phase)
    root_x, root_y = hip - 0.75 * build.hip, back - 0.75 * build.hip
    points = [(root_x + x, max(root_y + y + sway * x, 1.1 * r), r) for x, y, r in build.tail]
    return _limb(points, build.patterns.get("tail", "plain"))


def _head(build: Build, front: float, back: float, eyeshine: bool) -> list[Limb]:
    """Neck, ears, skull with muzzle, horns, nose and eye."""
    pattern = build.patterns.get("head", "plain")
    x, y = front + build.neck[0], back - 0.5 * build.chest + build.neck[1]
    r = build.head_r
    neck = [(front - 0.3 * build.chest, back - 0.85 * build.chest, 1.15 * build.neck_r), (x - 0.4 * r, y, build.neck_r)]
    nose_x, nose_y, nose_r = build.muzzle
    skull = [(x - 0.2 * r, y + 0.1 * r, r), (x + 0.35 * r, y, 0.86 * r), (x + nose_x + 0.2 * r, y + nose_y, nose_r)]
    tip = (x + nose_x + 0.2 * r + 0.75 * nose_r, y + nose_y + 0.35 * nose_r)
    eye = (x + 0.55 * r, y + 0.28 * r)
    dark = (0.09, 0.08, 0.08)
    shine = (9.0, 9.0, 9.0) if eyeshine else dark
    return [
        *_ears(build, x, y, behind=True),
        _limb(neck, build.patterns.get("body", "plain")),
        *_horns(build, x, y),
        _limb(skull, pattern),
        *_ears(build, x, y, behind=False),
        _limb([(*tip, 0.3 * nose_r), (tip[0] - 0.01, tip[1] - 0.005, 0.3 * nose_r)], colour=dark),
        _limb([(*eye, 0.12 * r), (eye[0] + 0.01, eye[1] - 0.004, 0.10 * r)], colour=shine),
    ]


def _ears(build: Build, x: float, y: float, behind: bool) -> list[Limb]:
    high, wide, tip = build.ear
    root = x + (0.15 if behind else -0.25) * build.head_r
    base = y + 0.72 * build.head_r
    lean = -0.3 * high
    points = [(root, base, wide), (root + 0.4 * lean, base + 0.45 * high, 0.85 * wide), (root + lean, base + high, tip)]
    return [_limb(points, colour=tuple(0.8 * c for c in build.back), behind=behind)]  # type: ignore[arg-type]


def _horns(build: Build, x: float, y: float) -> list[Limb]:
    if not build.horns:
        return []
    points = [(x + 0.1 * build.head_r + a, y + 0.75 * build.head_r + b, r) for a, b, r in build.horns]
    return [_limb(points, "bands", (0.30, 0.26, 0.21))]
