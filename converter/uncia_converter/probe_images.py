"""A search for images that a model scores low, in between and high for each of its labels.

Decides what the search tries and what it keeps.

1. Three smooth fields of rising detail, the last one grey as infrared is: they stir every part of the network.
2. For each label, drawings at rising target scores: a model that always says no, or a runtime that gives every picture
   the same answer, reproduces the fields and not these. Strokes are drawn at random, and those that raise the label's
   margin stay; the same model gives the same drawings.
3. A drawing is kept only where another set of correct kernels gives nearly the same answer: what is raised is the
   model's opinion and not one library's rounding. (Without this, a drawing at 0.51 on XNNPACK was 0.35 on plain
   kernels; photographs differ by 5/256 at most.)
4. Where the search does not get to the top, the highest that it reached is kept.
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
# So many drawings are begun; of those the better half goes on after so many strokes each.
BEGUN, STROKES_A_ROUND = 8, 60

Image8 = NDArray[np.uint8]


class ProbedModel(Protocol):
    """What the search asks of a model."""

    def logits(self, image: Image8) -> NDArray[np.float64]:
        """Calibrated logits (labels,) of one input."""

    def kernels_agree(self, image: Image8) -> bool:
        """Whether other correct kernels give nearly the same answer (#3)."""


@dataclass(frozen=True, eq=False)
class _Drawing:
    """A picture, the label's log odds for it, and the chance that draws on."""

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
    """uint8 (probes, height, width, 3) inputs for a model with that input size (width, height) and so many labels.

    `progress` is told how many drawings have been tried, and how many will be at most: `tries` for each label.
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
        yield np.asarray(large) // 8 * 8  # 32 levels: a fifth of the bytes


def _stable_fields(size: tuple[int, int], model: ProbedModel) -> Iterator[Image8]:
    """The first fields of their kind on which other kernels agree, of ten each."""
    tried = [list(colour_fields(size, seed)) for seed in range(10)]
    for kind in range(FIELDS):
        yield next((seed[kind] for seed in tried if model.kernels_agree(seed[kind])), tried[0][kind])


def log_odds(logits: NDArray[np.float64], label: int) -> float:
    """Of one label against all others together."""
    return float(logits[label] - np.logaddexp.reduce(np.delete(logits, label)))


def _first_at_each_target(drawings: Iterator[_Drawing]) -> list[Image8]:
    """The first drawing that reaches each target; the highest as well when the last target is not reached."""
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
    """Drawings of rising margin for the label, until the caller stops or so many are tried."""
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
    """The picture with an ellipse more, or a scatter of equal ones."""
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
    """One of 16 levels a channel; grey half the time, for infrared pictures are."""
    red, green, blue = (int(level) // 16 * 16 for level in chance.integers(0, 256, 3))
    return (red, red, red) if chance.random() < 0.5 else (red, green, blue)
