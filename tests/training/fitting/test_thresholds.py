"""The threshold: at a target recall, or honestly unknown."""

from pathlib import Path

from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.region_crops import Crop
from uncia_training.fitting.thresholds import choose_threshold

REGION = Region(left=0.1, top=0.1, width=0.5, height=0.5)


def crop(sequence: int, region: Region | None = None) -> Crop:
    """A crop of the one picture of a sequence."""
    return Crop(LabelledPicture(f"{sequence}.jpg", Path(), "x", sequence=str(sequence)), region)


def test_nineteen_of_twenty_positive_sequences_are_kept() -> None:
    """Forty sequences at 0.01, 0.02, ...: two may be missed, where going lower would cost a false alarm."""
    scores = [*[(n + 1) / 100 for n in range(40)], 0.0299]
    chosen = choose_threshold([crop(n) for n in range(41)], scores, [*[True] * 40, False])
    assert (chosen.value, chosen.recall) == (0.029, 0.95)


def test_recall_that_costs_no_false_alarm_is_taken() -> None:
    """Positives from 0.8, negatives up to 0.4: the threshold stands in the middle, not at the edge."""
    chosen = choose_threshold([crop(n) for n in range(60)], [0.8] * 30 + [0.4] * 30, [True] * 30 + [False] * 30)
    assert (chosen.value, chosen.recall, chosen.false_alarms) == (0.6, 1.0, 0.0)


def test_too_few_positive_sequences_give_no_recall() -> None:
    """Twenty-nine portraits prove nothing; the threshold is 0.5 and a note says why."""
    chosen = choose_threshold([crop(n) for n in range(29)], [0.9] * 29, [True] * 29)
    assert (chosen.value, chosen.recall, "29 positive" in str(chosen.note)) == (0.5, None, True)


def test_a_frame_counts_with_its_region() -> None:
    """As on the trap: the whole frame's low score does not enter."""
    crops = [crop(n, region) for n in range(30) for region in (None, REGION)]
    chosen = choose_threshold(crops, [0.1, 0.8] * 30, [True] * 60)
    assert chosen.value == 0.4


def test_pictures_without_a_sequence_do_not_count() -> None:
    """Portraits from the web are no sequences."""
    stills = [Crop(LabelledPicture(f"{n}.jpg", Path(), "x"), None) for n in range(50)]
    assert choose_threshold(stills, [0.9] * 50, [True] * 50).positive_sequences == 0
