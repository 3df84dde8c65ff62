"""Curves: a panel for each system with its own deals in colour, and the right values."""

from types import SimpleNamespace

import numpy as np
import pytest

from uncia_training.fitting.resampling import Dealt
from uncia_training.report import plots

NAMES = ["L120", "RN1", "RN2", "RN2+A", "RN2+A+E", "uncia", "uncia-no-regions"]
TRUTH = np.arange(400) % 4 == 0


def dealt(seed: int) -> Dealt:
    """Scores in two deals, with ties."""
    noise = np.random.default_rng(seed).normal(size=(2, 400))
    return Dealt(TRUTH, np.round(3 * TRUTH + noise, 1), np.arange(400))


def test_every_system_has_a_panel_with_each_of_its_deals(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two panels: recall by false alarms, and precision; the others are grey."""
    made = {name: dealt(number) for number, name in enumerate(NAMES)}
    monkeypatch.setattr(plots, "_held_out", lambda result, _: made[result.system.name])
    results = [SimpleNamespace(system=SimpleNamespace(name=name)) for name in NAMES]
    drawn = plots.curves(SimpleNamespace(results=results))
    assert [drawn.count(f">{name}</text>") for name in NAMES] == [2] * len(NAMES)
    assert drawn.count(f"stroke: {plots.OWN.lower()}") == 2 * 2 * len(NAMES)
    assert drawn.count(f"stroke: {plots.OTHERS}") == 2 * len(NAMES) * (len(NAMES) - 1)


def recall_at(rate: float, scores: np.ndarray) -> float:
    """The highest recall of all thresholds with at most this share of false alarms."""
    called = [scores >= threshold for threshold in np.unique(scores)]
    return max(one[TRUTH].mean() for one in called if one[~TRUTH].mean() <= rate)


def test_a_curve_has_the_recall_of_the_table_at_its_rate() -> None:
    """At 1 and at 10 % false alarms, in both deals."""
    one = dealt(1)
    for (_, recall), scores in zip(plots.recalls(one, np.array([0.01, 0.1])), one.scores, strict=True):
        assert recall.tolist() == [recall_at(rate, scores) for rate in (0.01, 0.1)]


def test_a_curve_has_the_precision_of_each_recall() -> None:
    """At the highest threshold that reaches it."""
    one = dealt(2)
    for (wanted, precision), scores in zip(plots._precisions(one), one.scores, strict=True):
        for recall, told in zip(wanted, precision, strict=True):
            threshold = np.sort(scores[TRUTH])[::-1][int(np.ceil(recall * TRUTH.sum() - 1e-9)) - 1]
            assert told == pytest.approx(TRUTH[scores >= threshold].mean())


def test_every_system_has_a_panel_of_calibration() -> None:
    """Bins of few pictures are left out."""
    bins = [{"n": 50, "said": 0.1, "true": 0.2}, {"n": 2, "said": 0.9, "true": 0.0}, {"n": 9, "said": 0.7, "true": 0.8}]
    drawn = plots.calibration_plot([{"name": name, "calibration": {"bins": bins}} for name in NAMES])
    assert [drawn.count(f">{name}</text>") for name in NAMES] == [1] * len(NAMES)
