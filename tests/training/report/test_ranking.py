"""The ranking: the best system first; two are told apart only if the data show a difference."""

import numpy as np

from uncia_training.fitting.metrics import Figures, figures
from uncia_training.fitting.resampling import Dealt
from uncia_training.report.ranking import ranking

TRUTH, UNITS = np.arange(400) % 4 == 0, np.arange(400) // 5


def system(gain: float, seed: int) -> Figures:
    """Scores in two deals, with positives higher than the others by this much."""
    noise = np.random.default_rng(seed).normal(size=(2, 400))
    return figures(Dealt(TRUTH, gain * TRUTH + noise, UNITS), 0.5)


SYSTEMS = {"weak": system(0.5, 1), "good": system(2.5, 2), "as good": system(2.5, 3)}


def test_systems_are_ranked_by_both_figures() -> None:
    """By those of sequences, best first."""
    found = ranking(SYSTEMS)
    assert list(found) == ["recall_at_1_percent_false_positives", "average_precision"]
    for by in found.values():
        values = [one["value"] for one in by["systems"]]
        assert values == sorted(values, reverse=True)
        assert by["systems"][-1]["name"] == "weak"


def test_only_systems_with_a_clear_difference_are_told_apart() -> None:
    """The weak one from both others, not the two that differ by chance."""
    pairs = {frozenset((one["one"], one["other"])): one for one in ranking(SYSTEMS)["average_precision"]["pairs"]}
    assert {names for names, one in pairs.items() if one["told_apart"]} == {
        frozenset(("weak", "good")),
        frozenset(("weak", "as good")),
    }
    low, high = pairs[frozenset(("good", "as good"))]["exceeds_by_interval"]
    assert low < 0 < high


def test_a_system_does_not_differ_from_itself() -> None:
    """All draws are equal: the difference is 0."""
    pair = ranking({"one": SYSTEMS["good"], "same": SYSTEMS["good"]})["average_precision"]["pairs"][0]
    assert (pair["exceeds_by"], pair["exceeds_by_interval"], pair["told_apart"]) == (0.0, (0.0, 0.0), False)
