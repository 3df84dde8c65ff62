"""Backgrounds for the places of a data set: views without an animal for short sequences, as in archives.

A background is made of pictures of the same source and location, either only of pictures for training or only of the
others (test, tune). Within training pictures, all folds are used, because a background holds no labels. Sequences
without a time come last, in the data set's order.
"""

from collections import defaultdict
from collections.abc import Sequence

from uncia_contract.archive.neighbours import (
    FEW,
    KNOWN,
    NeighbourThumbnails,
    NeighbourView,
    middle,
    nearest,
)
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.runs.labels import LabelledPicture, SequenceKey, sequence_key, sequences
from uncia_training.datasets.pictures import read_picture

Burst = Sequence[LabelledPicture]


class PlaceViews:
    """The views of sequences of one or two pictures whose place has enough others. Safe to use from several threads."""

    def __init__(self, pictures: Sequence[LabelledPicture], rule: RegionRule) -> None:
        """Find the neighbours without opening pictures; `rule` gives the size of thumbnails."""
        self._thumbnails = NeighbourThumbnails(read_picture, rule)
        self._near: dict[SequenceKey, Burst] = {}
        places: dict[tuple[str, str, bool], list[Burst]] = defaultdict(list)
        for burst in sequences(pictures):
            if burst[0].location:
                places[burst[0].source, burst[0].location, burst[0].never_learnt].append(burst)
        for place in places.values():
            self._add(sorted(place, key=lambda burst: (not burst[0].datetime, burst[0].datetime)))

    def _add(self, place: Sequence[Burst]) -> None:
        for index, burst in enumerate(place):
            near = nearest(place, index)
            if len(burst) <= FEW and len(near) >= KNOWN:
                self._near[sequence_key(burst[0])] = [middle(one) for one in near]

    def of(self, burst: Burst) -> NeighbourView[LabelledPicture] | None:
        """The view without an animal for a sequence; None for longer sequences, or with too few neighbours."""
        near = self._near.get(sequence_key(burst[0]))
        return None if near is None else NeighbourView(self._thumbnails, near)
