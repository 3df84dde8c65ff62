"""Chooses the sequences of a scored archive that a person should label first.

Decides what is suggested. #1 Doubtful sequences: the mean of the scored frames is near the threshold. #2 New ones: by
the network's features, they are far from labelled pictures and from the sequences suggested already. #3 All places:
each trap in turn gives one. #4 Half of a trap's candidates are its most doubtful sequences; the other half are spread
evenly over its season, because a bundle can also be sure of a wrong answer.
"""

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest

import numpy as np
from numpy.typing import NDArray

from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.pictures.region import Region

CANDIDATES = 8  # candidates for each suggestion; features are computed only for them

Features = NDArray[np.float32]


@dataclass(frozen=True)
class Candidate:
    """A sequence with its highest-scored frame; `doubt` is 1 for a mean at the threshold, and 0 for one of 0 or 1."""

    sequence: str
    trap: str
    doubt: float
    file: str
    region: Region | None


def candidates(pictures: Iterable[ScoredPicture], wanted: int, known: Callable[[str], bool]) -> list[Candidate]:
    """The sequences to choose from (#4), from each trap in turn; none with a picture that is `known` (labelled)."""
    traps: dict[str, list[Candidate]] = defaultdict(list)
    for one in _sequences(pictures, known):
        traps[one.trap].append(one)
    quota = math.ceil(CANDIDATES * wanted / max(len(traps), 1))
    chosen = [_of_trap(found, quota) for _, found in sorted(traps.items())]
    turns = zip_longest(*chosen)
    return [one for turn in turns for one in turn if one is not None][: CANDIDATES * wanted]


def suggested(found: Sequence[Candidate], features: Features, known: Features, wanted: int) -> list[Candidate]:
    """The candidates to label, the most useful first.

    Args:
        found: the candidates.
        features: float32 (candidates, features).
        known: the features of labelled pictures, float32 (pictures, features); there may be none.
        wanted: the most candidates to return.
    """
    middle = features.mean(axis=0) if len(features) else 0.0
    own, labelled = _directions(features - middle), _directions(known - middle)
    distance = 1 - (own @ labelled.T).max(axis=1) if len(known) else np.ones(len(found))
    doubt, traps = np.array([one.doubt for one in found]), [one.trap for one in found]
    left: dict[str, list[int]] = defaultdict(list)
    for number in sorted(range(len(found)), key=lambda number: -found[number].doubt):
        left[traps[number]].append(number)
    chosen: list[Candidate] = []
    while left and len(chosen) < wanted:
        for trap in list(left)[: wanted - len(chosen)]:  # 3
            best = max(left[trap], key=lambda number: doubt[number] + distance[number])  # 1, 2
            chosen.append(found[best])
            distance = np.minimum(distance, 1 - own @ own[best])
            left[trap].remove(best)
            if not left[trap]:
                del left[trap]
    return chosen


def _sequences(pictures: Iterable[ScoredPicture], known: Callable[[str], bool]) -> Iterator[Candidate]:
    for _, group in groupby(pictures, key=lambda picture: picture.sequence):
        frames = list(group)
        scored = [(one.score, one) for one in frames if one.score is not None]
        if scored and not any(known(one.file) for one in frames):
            mean = math.fsum(score for score, _ in scored) / len(scored)
            best = max(scored, key=lambda one: one[0])[1]
            region = None if best.region is None else Region(*best.region)
            yield Candidate(best.sequence, best.trap, _doubt(mean, best.threshold or 0.0), best.file, region)


def _doubt(mean: float, threshold: float) -> float:
    """1 at the threshold, and linearly down to 0 at a mean of 0 or 1 (#1)."""
    side = (1 - threshold) if mean >= threshold else threshold
    return 1 - abs(mean - threshold) / side if side > 0 else 1.0


def _of_trap(found: Sequence[Candidate], quota: int) -> list[Candidate]:
    """The candidates of a trap: a doubtful one and one of those spread over the season, in turn (#4)."""
    doubtful = sorted(found, key=lambda one: -one.doubt)[: math.ceil(quota / 2)]
    taken = set(doubtful)
    others = [one for one in found if one not in taken]
    spread = np.linspace(0, len(others) - 1, min(quota - len(doubtful), len(others)))
    turns = zip_longest(doubtful, (others[int(number)] for number in spread))
    return [one for turn in turns for one in turn if one is not None]


def _directions(features: Features) -> Features:
    length: Features = np.maximum(np.linalg.norm(features, axis=1, keepdims=True), 1e-9)
    return features / length
