"""Calibration error at one prior: about 0 for perfect probabilities; the prevalence changes no order."""

import numpy as np
import pytest
from scipy.special import expit, logit

from uncia_training.fitting.reliability import bin_numbers, bins, reliability
from uncia_training.fitting.resampling import Dealt

Values = np.ndarray


def forecasts(chance: np.random.Generator, n: int, prevalence: float, units: int) -> tuple[Values, Values, Values]:
    """Probabilities that are right if half are positive, and outcomes of data with another prevalence."""
    said = expit(chance.normal(0, 2, 30 * n))
    true = chance.random(30 * n) < said
    positives = round(n * prevalence)
    chosen = np.concatenate([np.flatnonzero(true)[:positives], np.flatnonzero(~true)[: n - positives]])
    return said[chosen], true[chosen], chance.permutation(n) % units


def plain_error(said: Values, true: Values) -> float:
    """The expected calibration error as it is usually computed, at the data's own prevalence."""
    number = bin_numbers(said)
    gaps = [(said[number == one].mean() - true[number == one].mean()) * (number == one).mean() for one in set(number)]
    return float(np.abs(gaps).sum())


@pytest.mark.parametrize(
    ("n", "prevalence", "units"),
    [(800, 0.25, 800), (800, 0.5, 40), (200, 0.5, 200), (800, 0.05, 800)],
    ids=["stills", "few places", "few pictures", "few positives"],
)
def test_perfect_probabilities_have_an_error_of_about_0(n: int, prevalence: float, units: int) -> None:
    """The mean of 300 data sets; its interval contains 0; the plain error is many times larger."""
    chance = np.random.default_rng(5)
    found, plain = [], []
    for _ in range(300):
        said, true, unit = forecasts(chance, n, prevalence, units)
        found.append(reliability(Dealt(true, said[np.newaxis], unit), 0.5))
        plain.append(plain_error(said, true))
    assert abs(np.mean([one["reliability"] for one in found])) < 0.001
    assert abs(np.mean([one["expected_calibration_error"] for one in found])) < 0.012 < 0.03 < np.mean(plain)
    spans = [one["reliability_interval"] for one in found]
    assert np.mean([low <= 0 <= high for low, high in spans]) > 0.93


@pytest.mark.parametrize("slope", [0.5, 1.6], ids=["too modest", "too sure"])
def test_its_interval_contains_the_error_of_many_pictures(slope: float) -> None:
    """In at least nine of ten data sets, with 400 pictures of 80 places."""
    chance = np.random.default_rng(6)
    said, true, unit = forecasts(chance, 60_000, 0.5, 60_000)
    truth = reliability(Dealt(true, expit(slope * logit(said))[np.newaxis], unit), 0.5)["reliability"]
    covered = []
    for _ in range(300):
        said, true, unit = forecasts(chance, 400, 0.3, 80)
        low, high = reliability(Dealt(true, expit(slope * logit(said))[np.newaxis], unit), 0.5)["reliability_interval"]
        covered.append(low <= truth <= high)
    assert truth > 0.004
    assert np.mean(covered) >= 0.9


def test_the_datas_prevalence_does_not_reverse_the_order_of_two_systems() -> None:
    """At 10 % positives the plain error prefers the system whose probabilities are too low."""
    said, true, unit = forecasts(np.random.default_rng(7), 4000, 0.1, 4000)
    leaning = expit(logit(said) - 1.5)
    assert plain_error(leaning, true) < plain_error(said, true)
    errors = [reliability(Dealt(true, one[np.newaxis], unit), 0.5)["reliability"] for one in (said, leaning)]
    assert errors[0] < 0.002 < 0.01 < errors[1]


def test_brier_score_is_the_sum_of_its_parts() -> None:
    """Reliability - resolution + uncertainty; the mean of two deals."""
    said, true, unit = forecasts(np.random.default_rng(8), 300, 0.5, 300)
    deals = np.stack([said, said**2])
    found = reliability(Dealt(true, deals, unit), 0.5)
    assert found["brier"] == pytest.approx(((deals - true) ** 2).mean())
    assert found["brier"] == pytest.approx(found["reliability"] - found["resolution"] + 0.25)


def test_one_class_has_no_calibration() -> None:
    """It cannot be weighted to a prior."""
    one = Dealt(np.ones(4, bool), np.full((1, 4), 0.9), np.arange(4))
    assert (reliability(one, 0.5)["reliability"], bins(one, 0.5)) == (None, [])


def test_bins_are_weighted_to_the_prior() -> None:
    """One positive and three negatives have the same score: at a prior of 0.5 half are positive."""
    one = Dealt(np.array([True, False, False, False]), np.full((2, 4), 0.55), np.arange(4))
    assert bins(one, 0.5) == [{"from": 0.5, "n": 4, "said": pytest.approx(0.55), "true": pytest.approx(0.5)}]
