"""Frames compared with sequences: three readings of the same scores, of bursts not used for training."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from uncia_contract.runs.labels import LabelledPicture, sequence_key
from uncia_training.comparison.compare import CompareSettings, Comparison, Result, SystemScores
from uncia_training.comparison.figures import LabelledScores
from uncia_training.comparison.systems import systems
from uncia_training.datasets.inspection import Inspection
from uncia_training.features.networks import NetworkChoice
from uncia_training.report.sequence_sections import sequence_study as section
from uncia_training.report.sequence_study import READINGS, sequence_study


def rows() -> list[tuple[LabelledPicture, list[float]]]:
    """Each picture with its scores by two fits: four bursts of four and a cat of split tune, and a fox for training.

    Each burst without a leopard has one frame with a high score; each with a leopard has one frame with a low score.
    """
    found = []
    for number in range(4):
        label = ("snow_leopard", "ibex")[number % 2]
        for frame in range(4):
            score = (0.8, 0.1)[number % 2] if frame else (0.2, 0.7)[number % 2]
            found.append((one(f"{number}-{frame}", label, f"s{number}", f"p{number // 2}", "tune"), [score, score]))
    found.append((one("cat", "cat", "", "", "tune"), [0.6, 0.4]))
    return [*found, (one("fox", "fox", "", "", ""), [0.9])]


def one(name: str, label: str, sequence: str, location: str, split: str) -> LabelledPicture:
    return LabelledPicture(f"{name}.jpg", Path(name), label, sequence, location, source="hills", split=split)


def dealt(alone: np.ndarray, labels: np.ndarray, sequences: np.ndarray) -> LabelledScores:
    """A system that takes the mean, which the study ignores."""
    truth = np.bincount(sequences, labels) > 0
    means = np.bincount(sequences, alone) / np.bincount(sequences)
    return LabelledScores(np.stack([1 - means, means], 1)[sequences], labels, sequences, means, truth, alone, sequences)


@pytest.fixture
def comparison() -> Comparison:
    """A comparison of one system."""
    pictures, said = zip(*rows(), strict=True)
    keys = [sequence_key(picture) for picture in pictures]
    sequences = np.array([list(dict.fromkeys(keys)).index(key) for key in keys])
    labels = np.array([int(picture.label == "snow_leopard") for picture in pictures])
    fits = [dealt(np.array([row[min(fit, len(row) - 1)] for row in said]), labels, sequences) for fit in range(2)]
    scores = SystemScores(fits[0], (fits[0],), tuple(fits), (), (), 0.5, False, {})
    count = len(pictures)
    settings = CompareSettings(positive=("snow_leopard",), network=NetworkChoice("x"), cache=Path("cache"))
    seen = Inspection(pictures, ("c",) * count, tuple(range(count)), ("day",) * count, ())
    units = [str(number) for number in sequences]
    results = [Result(systems(["RN2"], None)[0], scores)]
    return Comparison(
        settings=settings, inspection=seen, labels=labels, sequences=sequences, units=units, regions={}, results=results
    )  # fmt: skip


def test_the_three_readings_differ_as_they_should(comparison: Comparison) -> None:
    """By frames a quarter is wrong in both classes; highest frames add false alarms, means remove them."""
    found = sequence_study(comparison)
    assert found is not None
    read = {name: (found["systems"][0][name]["recall"], found["systems"][0][name]["false_positive_rate"])
            for name in READINGS}  # fmt: skip
    assert read == {"frames": (0.75, 0.25), "maximum": (1.0, 1.0), "mean": (1.0, 0.0)}
    assert (found["pictures"], found["sequences"], found["positives"]) == (16, 4, 2)


def test_a_curve_is_the_recall_at_each_share_of_false_alarms(comparison: Comparison) -> None:
    """By highest frames all are found without a false alarm here, since the leopards' are higher."""
    found = sequence_study(comparison)
    assert found is not None
    curve = found["systems"][0]["maximum"]["curve"]
    assert (curve["recall"][0], curve["recall"][-1], curve["false_alarms"][-1]) == (1.0, 1.0, 1.0)
    assert found["systems"][0]["frames"]["curve"]["recall"][0] == 0.75


def test_false_alarms_are_counted_by_source_and_label(comparison: Comparison) -> None:
    """Means over the fits; single pictures have equal counts in all readings."""
    found = sequence_study(comparison)
    assert found is not None
    told = {(one["label"], one["never_learnt"]): tuple(one["systems"]["RN2"].values()) for one in found["kinds"]}
    assert told == {
        ("fox", False): (1.0, 1.0, 1.0), ("cat", True): (0.5, 0.5, 0.5), ("ibex", True): (2.0, 2.0, 0.0)
    }  # fmt: skip


def test_each_station_has_an_exact_interval(comparison: Comparison) -> None:
    """One sequence found of one."""
    found = sequence_study(comparison)
    assert found is not None
    assert [one["station"] for one in found["stations"]] == ["p0", "p1"]
    assert found["stations"][0]["systems"]["RN2"]["mean"] == {"recall": 1.0, "recall_interval": (0.025, 1.0)}


def test_the_section_shows_the_readings_side_by_side(comparison: Comparison) -> None:
    """One plot, and the counts of false alarms."""
    shown = section({"study": sequence_study(comparison)})
    assert (shown.count("<svg"), "2 / 2 / 0" in shown, "16 pictures in 4 sequences" in shown) == (1, True, True)


def test_without_bursts_of_both_kinds_there_is_no_study(comparison: Comparison) -> None:
    """Without negatives there are no false alarms to measure."""
    comparison.settings = replace(comparison.settings, positive=("lynx",))
    assert sequence_study(comparison) is None
    assert section({"study": None}) == ""
