"""Searches for images with low, medium and high scores for each label of a model, to be used as probes.

Decides which images are tried and which are kept.

1. Three smooth colour fields with increasing detail, the last one grey like infrared: they use all parts of the
network.
2. For each label, drawings with increasing scores. A model that always answers no, or a runtime that gives the same
   answer for every picture, could reproduce the fields, but not these. Random strokes are drawn; those that increase
   the label's log odds are kept. The same model gives the same drawings.
3. A drawing is kept only if another set of correct kernels gives nearly the same answer, so that it does not depend on
   the rounding of one library. (Without this rule, a drawing had 0.51 with XNNPACK and 0.35 with plain kernels;
   photographs differ by 5/256 at most.)
4. If the search does not reach the last target, the drawing with the highest score is kept.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

FIELDS = 3
# Log odds of the label at which a drawing is kept: probabilities 0.05, 0.18, 0.5, 0.82 and 0.95.
TARGET_LOG_ODDS = (-3.0, -1.5, 0.0, 1.5, 3.0)
MOST_TRIES = 3000
# The search begins with BEGUN drawings; after STROKES_A_ROUND strokes each, the better half continues.
BEGUN, STROKES_A_ROUND = 8, 60

Image8 = NDArray[np.uint8]


class ProbedModel(Protocol):
    """The parts of a model that the search uses."""

    def logits(self, image: Image8) -> NDArray[np.float64]:
        """Calibrated logits (labels,) of one input."""

    def kernels_agree(self, image: Image8) -> bool:
        """Whether other correct kernels give nearly the same answer (#3)."""


@dataclass(frozen=True, eq=False)
class _Drawing:
    """A picture, the label's log odds for it (`margin`), and its random generator."""

    picture: Image.Image
    margin: float
    chance: np.random.Generator


def search_probe_images(
    size: tuple[int, int],
    model: ProbedModel,
    labels: int,
    progress: Callable[[int, int], None] = lambda done, most: None,
    tries: int = MOST_TRIES,
) -> Image8:
    """Search the probe images of a model: uint8 (probes, height, width, 3).

    Args:
        size: (width, height) of the model's input.
        model: the model.
        labels: the number of its labels.
        progress: called with the number of drawings tried, and the most that will be tried.
        tries: the most drawings for each label.
    """
    kept = list(_stable_fields(size, model))
    for label in range(labels):

        def tried(done: int, before: int = label * tries) -> None:
            progress(before + done, labels * tries)

        kept += _first_at_each_target(_hill_climb(size, model, label, tries, tried))
    return np.stack(kept)


def colour_fields(size: tuple[int, int], seed: int = 0) -> Iterator[Image8]:
    """Smooth seeded colour fields (#1)."""
    chance = np.random.default_rng(seed)
    for number in range(FIELDS):
        cells = 3 + 6 * number
        field = chance.integers(0, 256, (cells, cells, 3), dtype=np.uint8)
        if number == FIELDS - 1:
            field = np.repeat(field[..., :1], 3, axis=2)
        large = Image.fromarray(field).resize(size, Image.Resampling.BILINEAR)
        yield np.asarray(large) // 8 * 8  # with 32 levels they need a fifth of the bytes in the bundle


def _stable_fields(size: tuple[int, int], model: ProbedModel) -> Iterator[Image8]:
    """For each kind, the first of ten seeded fields on which the kernels agree; else the first one."""
    tried = [list(colour_fields(size, seed)) for seed in range(10)]
    for kind in range(FIELDS):
        yield next((seed[kind] for seed in tried if model.kernels_agree(seed[kind])), tried[0][kind])


def log_odds(logits: NDArray[np.float64], label: int) -> float:
    """The log odds of one label against all others together, from logits (labels,)."""
    return float(logits[label] - np.logaddexp.reduce(np.delete(logits, label)))


def _first_at_each_target(drawings: Iterator[_Drawing]) -> list[Image8]:
    """The first drawing that reaches each target, and the highest one if the last target is not reached."""
    kept: list[_Drawing] = []
    reached, last = 0, None
    for drawing in drawings:
        last, passed = drawing, sum(drawing.margin >= target for target in TARGET_LOG_ODDS)
        if passed > reached:
            kept, reached = [*kept, drawing], passed
        if reached == len(TARGET_LOG_ODDS):
            break
    if last is not None and last not in kept:
        kept.append(last)
    return [np.asarray(drawing.picture) for drawing in kept]


def _hill_climb(
    size: tuple[int, int], model: ProbedModel, label: int, most: int, tried: Callable[[int], None]
) -> Iterator[_Drawing]:
    """Drawings with increasing log odds of the label, until the caller stops or `most` drawings are tried."""
    line = [_begin(size, model, label, np.random.default_rng((label, number))) for number in range(BEGUN)]
    best, tries = None, BEGUN
    while tries < most:
        for number in range(len(line)):
            for _ in range(STROKES_A_ROUND):
                if np.isfinite(line[number].margin) and (best is None or line[number].margin > best.margin):
                    best = line[number]
                    yield best
                line[number] = _improved(line[number], model, label)
            tries += STROKES_A_ROUND
            tried(tries)
        line = sorted(line, key=lambda drawing: drawing.margin, reverse=True)[: max(1, len(line) // 2)]


def _begin(size: tuple[int, int], model: ProbedModel, label: int, chance: np.random.Generator) -> _Drawing:
    picture = Image.new("RGB", size, _colour(chance))
    for _ in range(4):
        picture = _stroke(picture, chance)
    return _improved(_Drawing(picture, -np.inf, chance), model, label)


def _improved(drawing: _Drawing, model: ProbedModel, label: int) -> _Drawing:
    picture = _stroke(drawing.picture, drawing.chance)
    pixels = np.asarray(picture)
    margin = log_odds(model.logits(pixels), label)
    better = margin > drawing.margin and model.kernels_agree(pixels)
    return _Drawing(picture, margin, drawing.chance) if better else drawing


def _stroke(picture: Image.Image, chance: np.random.Generator) -> Image.Image:
    """The picture with one more ellipse, or with several equal ones scattered around a place."""
    drawn = picture.copy()
    canvas = ImageDraw.Draw(drawn)
    radius = float(np.exp(chance.uniform(np.log(2), np.log(max(drawn.size) / 4))))
    colour, narrow = _colour(chance), float(np.exp(chance.uniform(-0.8, 0.8)))
    count = 1 if chance.random() < 0.5 else int(chance.integers(5, 40))
    centre, apart = chance.uniform(0, drawn.size), 0.0 if count == 1 else radius * chance.uniform(2, 6)
    for x, y in chance.normal(centre, apart, (count, 2)):
        canvas.ellipse((x - radius, y - radius * narrow, x + radius, y + radius * narrow), fill=colour)
    return drawn


def _colour(chance: np.random.Generator) -> tuple[int, int, int]:
    """A random colour of 16 levels per channel; half of the colours are grey, as in infrared pictures."""
    red, green, blue = (int(level) // 16 * 16 for level in chance.integers(0, 256, 3))
    return (red, red, red) if chance.random() < 0.5 else (red, green, blue)
