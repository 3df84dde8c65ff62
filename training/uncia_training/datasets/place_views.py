"""What a data set's cameras see without an animal: backgrounds for sequences of one or two pictures, as in archives.

Decides which pictures a background is made of: those of the same source, location and side, learnt from or never. A
background holds no label, so that within a side held-out pictures and others serve alike, as all of a season's do.
Sequences without a time come last, in the data set's order.
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
    """A view for each sequence of one or two pictures whose place has enough others; for several threads at a time."""

    def __init__(self, pictures: Sequence[LabelledPicture], rule: RegionRule) -> None:
        """Opens no picture; `rule` says how large thumbnails are."""
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
        """What the sequence's camera sees without an animal; None where it is given none."""
        near = self._near.get(sequence_key(burst[0]))
        return None if near is None else NeighbourView(self._thumbnails, near)
