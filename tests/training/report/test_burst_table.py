"""The report's figures of single bursts: the effect of regions, and bursts not used for training."""

from pathlib import Path

import numpy as np
import pytest

from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.comparison.compare import CompareSettings, Comparison, Result, SystemScores
from uncia_training.comparison.figures import LabelledScores
from uncia_training.comparison.systems import systems
from uncia_training.datasets.inspection import Inspection
from uncia_training.datasets.region_crops import Crop
from uncia_training.features.networks import NetworkChoice
from uncia_training.report.burst_sections import never_learnt_from as unseen_section
from uncia_training.report.burst_sections import regions as regions_section
from uncia_training.report.burst_table import never_learnt_from, regions

# Two frames of a cat in a burst that nothing learns from, two of a dog, and a still of a cat.
PICTURES = tuple(
    LabelledPicture(f"{name}.jpg", Path(f"{name}.jpg"), label, sequence, source="hill", split=split)
    for name, label, sequence, split in (
        ("a", "cat", "s1", "test"),
        ("b", "cat", "s1", "test"),
        ("c", "dog", "s2", ""),
        ("d", "dog", "s2", ""),
        ("e", "cat", "", ""),
    )
)
LABELS, SEQUENCES = np.array([1, 1, 0, 0, 1]), np.array([0, 0, 1, 1, 2])


def scores(frames: list[float]) -> SystemScores:
    """The scores of a system that takes the mean of a sequence."""
    alone = np.array(frames)
    means = np.array([alone[number == SEQUENCES].mean() for number in range(3)])
    probabilities = np.stack([1 - means[SEQUENCES], means[SEQUENCES]], axis=1)
    truth = np.array([True, False, True])
    one = LabelledScores(probabilities, LABELS, SEQUENCES, means, truth, alone, SEQUENCES)
    return SystemScores(one, (one,), (one,), (), (), 0.5, False, {})


@pytest.fixture
def comparison() -> Comparison:
    """Regions find the cat, but whole frames do not; the still and the dog have equal scores."""
    rows = systems(["RN1", "uncia", "uncia-no-regions"], None)
    given = [[0.2, 0.7, 0.1, 0.1, 0.9], [0.8, 0.6, 0.2, 0.2, 0.9], [0.3, 0.1, 0.1, 0.1, 0.9]]
    looked = {number: Crop(PICTURES[number], Region(0, 0, 0.5, 0.5)) for number in range(4)}
    seen = Inspection(PICTURES, tuple("abcde"), (0, 1, 2, 3, 4), ("day",) * 5, ())
    settings = CompareSettings(positive=("cat",), network=NetworkChoice("efficientnet-lite0"), cache=Path("cache"))
    results = [Result(row, scores(frames)) for row, frames in zip(rows, given, strict=True)]
    results[0] = Result(rows[0], scores(given[0]), on_trap=scores([0.1, 0.2, 0.1, 0.1, 0.9]))
    return Comparison(
        settings=settings, inspection=seen, labels=LABELS, sequences=SEQUENCES, units=["u"] * 5, regions=looked,
        results=results,
    )  # fmt: skip


def test_the_effect_of_regions_is_of_bursts_with_regions(comparison: Comparison) -> None:
    """The still does not count; positives and negatives separately, by the difference of the scores."""
    found = regions(comparison)
    assert (found["pictures"], found["sequences"], found["right"]) == (4, 2, {"with": 2, "without": 1})
    assert found["positives"]["raised_by"] == pytest.approx(0.5)
    assert found["negatives"]["raised_by"] == pytest.approx(0.1)
    cat, dog = found["bursts"]
    assert (cat["with"], cat["without"], cat["never_learnt_from"]) == (pytest.approx(0.7), pytest.approx(0.2), True)
    assert (dog["label"], dog["frames_with_region"], dog["never_learnt_from"]) == ("dog", 2, False)


def test_one_burst_has_no_interval(comparison: Comparison) -> None:
    """All draws of one burst are equal."""
    assert regions(comparison)["positives"]["raised_by_interval"] is None


def test_without_both_systems_there_is_no_effect_of_regions(comparison: Comparison) -> None:
    """And no section."""
    comparison.results.pop()
    assert regions(comparison) is None
    assert regions_section({"regions": None}) == ""


def test_every_system_has_its_scores_of_a_burst_not_used_for_training(comparison: Comparison) -> None:
    """Each frame before any mean, the sequence, and whether it is an alarm; in int8 too."""
    found = never_learnt_from(comparison, 20.0)
    [burst] = found["bursts"]
    told = {one["system"]: one for one in burst["scores"]}
    assert list(told) == ["RN1", "RN1, int8", "uncia", "uncia-no-regions"]
    assert told["uncia"] == {"system": "uncia", "frames": [0.8, 0.6], "sequence": pytest.approx(0.7), "alarm": True}
    assert not told["RN1, int8"]["alarm"]
    figures = {one["name"]: one["sequences"] for one in found["systems"]}
    assert (figures["uncia"]["n"], figures["uncia"]["recall"], figures["uncia-no-regions"]["recall"]) == (1, 1.0, 0.0)


def test_the_page_has_the_figures_in_words(comparison: Comparison) -> None:
    """How many were right, how much scores changed, and each system's scores."""
    page = regions_section({"regions": regions(comparison)})
    assert "right in 2 with regions and in 1 without" in page
    assert "1 positive burst by +0.500" in page
    page = unseen_section({"never_learnt_from": never_learnt_from(comparison, 20.0)})
    assert "<td>uncia</td><td>2 of 2</td><td>–</td><td>1 of 1</td>" in page
    assert "<td>uncia</td><td>0.80</td><td>0.60</td><td><b>0.70</b></td><td>alarm</td>" in page


def test_without_test_rows_there_is_no_section(comparison: Comparison) -> None:
    """A data set need not have a split of its own."""
    learnt = tuple(LabelledPicture(one.file, one.path, one.label, one.sequence) for one in PICTURES)
    comparison.inspection = Inspection(learnt, tuple("abcde"), (0, 1, 2, 3, 4), ("day",) * 5, ())
    assert never_learnt_from(comparison, 20.0) is None
    assert unseen_section({"never_learnt_from": None}) == ""
