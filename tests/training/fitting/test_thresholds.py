"""The threshold reaches the target recall, or its recall is None and a note gives the reason."""

from pathlib import Path

import pytest

from uncia_contract.errors import DataError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.datasets.region_crops import Crop
from uncia_training.fitting.fit import FitSettings
from uncia_training.fitting.thresholds import Aim, choose_threshold

REGION = Region(left=0.1, top=0.1, width=0.5, height=0.5)


def crop(sequence: int, region: Region | None = None) -> Crop:
    """The crop of a sequence with one picture."""
    return Crop(LabelledPicture(f"{sequence}.jpg", Path(), "x", sequence=str(sequence)), region)


def test_nineteen_of_twenty_positive_sequences_are_kept() -> None:
    """Forty at 0.01, 0.02, ...: two may be missed, since a lower threshold adds a false alarm."""
    scores = [*[(n + 1) / 100 for n in range(40)], 0.0299]
    chosen = choose_threshold([crop(n) for n in range(41)], scores, [*[True] * 40, False])
    assert (chosen.value, chosen.recall) == (0.029, 0.95)


def test_recall_that_costs_no_false_alarm_is_taken() -> None:
    """Positives from 0.8, negatives up to 0.4: the threshold is the middle of the gap."""
    chosen = choose_threshold([crop(n) for n in range(60)], [0.8] * 30 + [0.4] * 30, [True] * 30 + [False] * 30)
    assert (chosen.value, chosen.recall, chosen.false_alarms) == (0.6, 1.0, 0.0)


def test_too_few_positive_sequences_give_no_recall() -> None:
    """With 29 the threshold is 0.5, and a note gives the reason."""
    chosen = choose_threshold([crop(n) for n in range(29)], [0.9] * 29, [True] * 29)
    assert (chosen.value, chosen.recall, "29 positive" in str(chosen.note)) == (0.5, None, True)


def test_a_frame_counts_with_its_region() -> None:
    """As on the trap: the low score of the whole frame does not count."""
    crops = [crop(n, region) for n in range(30) for region in (None, REGION)]
    chosen = choose_threshold(crops, [0.1, 0.8] * 30, [True] * 60)
    assert chosen.value == 0.4


def test_pictures_without_a_sequence_do_not_count() -> None:
    """Such as portraits from the web."""
    stills = [Crop(LabelledPicture(f"{n}.jpg", Path(), "x"), None) for n in range(50)]
    assert choose_threshold(stills, [0.9] * 50, [True] * 50).positive_sequences == 0


ROW = [*[True] * 5, *[False] * 40]
SCORES = [0.9, 0.9, 0.9, 0.45, 0.1, *[(n + 1) / 100 for n in range(40)]]


@pytest.mark.parametrize(
    ("rate", "value", "recall", "alarms"),
    [(0.0, 0.426, 0.8, 0.0), (0.1, 0.366, 0.8, 0.1), (0.12, 0.366, 0.8, 0.1), (2.0, 0.006, 1.0, 1.0)],
    ids=["none", "four of forty", "four and not five", "all"],
)
def test_false_alarms_stay_within_their_limit(rate: float, value: float, recall: float, alarms: float) -> None:
    """The lowest such threshold, in the middle of a gap; the recall is that of this threshold."""
    chosen = choose_threshold([crop(n) for n in range(45)], SCORES, ROW, Aim(false_alarm_rate=rate))
    assert (chosen.value, chosen.recall, chosen.false_alarms) == (value, recall, alarms)


def test_a_higher_recall_lowers_the_threshold() -> None:
    """All forty positives instead of thirty-eight."""
    scores, shows = [*[(n + 1) / 100 for n in range(40)], 0.0299], [*[True] * 40, False]
    assert choose_threshold([crop(n) for n in range(41)], scores, shows, Aim(1.0)).recall == 1.0


def test_too_few_negative_sequences_bound_no_false_alarms() -> None:
    """The limit was asked for, so an error is raised; no threshold is guessed."""
    with pytest.raises(DataError, match="29 negative sequences with an id, at least 30 are needed"):
        choose_threshold([crop(n) for n in range(29)], [0.1] * 29, [False] * 29, Aim(false_alarm_rate=0.1))


def survey(times: bool = True) -> list[LabelledPicture]:
    """Ten days of one trap, with four foxes and one leopard a day."""
    labels = ["fox", "fox", "fox", "fox", "leopard"]
    return [
        LabelledPicture(f"{day}-{n}.jpg", Path("absent"), label, f"{day}-{n}", "pass",
                        f"2026-03-{1 + day:02}T10:0{n}:00" if times else "")
        for day in range(10) for n, label in enumerate(labels)
    ]  # fmt: skip


def test_alarms_a_day_become_a_share_of_the_negative_sequences(tmp_path: Path) -> None:
    """One alarm a day, of four negatives, is a quarter."""
    settings = FitSettings(positive=("leopard",), cache=tmp_path, false_alarms_per_day=1.0)
    assert settings.aim(survey()) == Aim(false_alarm_rate=0.25)


def test_alarms_a_day_need_times(tmp_path: Path) -> None:
    """Without them the number of days is unknown."""
    with pytest.raises(DataError, match="a location has no times"):
        FitSettings(positive=("leopard",), cache=tmp_path, false_alarms_per_day=1.0).aim(survey(times=False))
