"""The 95 % intervals contain the true figure in about 95 of 100 simulated surveys with held-out places.

Each survey has places with an effect of their own; a discriminant is fitted on the folds of each deal. The truth is the
mean figure of such fits on places that no survey saw. Drawing sequences in place of places falls short. What no draw
shows, that another survey gives another fit, costs some points of a hundred where places show both classes.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.special import expit
from threadpoolctl import threadpool_limits

from uncia_training.fitting.metrics import NAMES, figures, values
from uncia_training.fitting.resampling import Dealt

Numbers = np.ndarray
FOLDS, DEALS, FEATURES = 4, 2, 5
SYSTEMS = ([0, 2, 3], [1, 2, 4])  # two systems that look at different features, equally good


@dataclass(frozen=True)
class Survey:
    """What differs between surveys; with `mixed`, a place has both classes, else only one."""

    places: int
    sequences: int
    shift: float
    spread: float
    mixed: bool

    def draw(self, chance: np.random.Generator) -> tuple[Numbers, Numbers, Numbers]:
        """The features, truth and place of each sequence."""
        place = np.repeat(np.arange(self.places), self.sequences)
        share = chance.beta(2, 3, self.places) if self.mixed else np.arange(self.places) < 0.4 * self.places
        truth = chance.random(len(place)) < share[place]
        features = chance.normal(size=(len(place), FEATURES))
        features += self.spread * chance.normal(size=(self.places, FEATURES))[place]
        features[:, :2] += self.shift * truth[:, np.newaxis]
        return features, truth, place


def discriminant(features: Numbers, truth: Numbers) -> Callable[[Numbers], Numbers]:
    """Fits a discriminant; the function that gives its probabilities."""
    means = features[~truth].mean(axis=0), features[truth].mean(axis=0)
    within = np.cov((features - np.where(truth[:, np.newaxis], means[1], means[0])).T)
    weights = np.linalg.solve(within + 0.1 * np.eye(len(within)), means[1] - means[0])
    return lambda others: expit((others - (means[0] + means[1]) / 2) @ weights)


def deal(chance: np.random.Generator, survey: Survey, truth: Numbers, place: Numbers) -> Numbers:
    """The fold of each sequence: places stay whole; those with and without positives are spread over all folds."""
    shows = np.bincount(place, truth, survey.places) > 0
    fold = np.zeros(survey.places, int)
    for kind in (shows, ~shows):
        fold[kind] = chance.permutation(int(kind.sum())) % FOLDS
    return fold[place]


def cover(survey: Survey, times: int, draws: int, seed: int) -> tuple[dict, dict, float]:
    """How often each interval contains the truth, by places and by sequences, and how often equal systems differ."""
    chance = np.random.default_rng(seed)
    new, new_truth, new_place = replace(survey, places=12_000, sequences=1).draw(chance)
    truths, found, by_sequence, told = [], [], [], []
    for _ in range(times):
        features, truth, place = survey.draw(chance)
        scores = np.zeros((len(SYSTEMS), DEALS, len(truth)))
        for number in range(DEALS):
            folds = deal(chance, survey, truth, place)
            for fold, (system, columns) in [(fold, one) for fold in range(FOLDS) for one in enumerate(SYSTEMS)]:
                fit = discriminant(features[folds != fold][:, columns], truth[folds != fold])
                scores[system, number, folds == fold] = fit(features[folds == fold][:, columns])
        truths.append(values(Dealt(new_truth, fit(new[:, columns])[np.newaxis], new_place), 0.5))
        one, other = (figures(Dealt(truth, own, place), 0.5, draws) for own in scores)
        finer = figures(Dealt(truth, scores[1], np.arange(len(truth))), 0.5, draws)
        found.append({name: other.interval(name) for name in NAMES})
        by_sequence.append({name: finer.interval(name) for name in NAMES})
        low, high = one.exceeds(other, "average_precision")[1]
        told.append(not low <= 0 <= high)
    truth = {name: np.mean([one[name] for one in truths]) for name in NAMES}

    def held(spans: list[dict]) -> dict[str, float]:
        return {name: np.mean([one[name][0] <= truth[name] <= one[name][1] for one in spans]) for name in NAMES}

    return held(found), held(by_sequence), float(np.mean(told))


@pytest.mark.heavy
def test_intervals_contain_the_truth_if_places_are_held_out() -> None:
    """Of 200 surveys of 24 places with one class each."""
    covered, by_sequence, told_apart = cover(Survey(24, 8, 2.0, 0.7, mixed=False), times=200, draws=400, seed=1)
    assert min(covered.values()) >= 0.9, covered
    assert by_sequence["roc_auc"] < 0.85, by_sequence
    assert told_apart <= 0.08


@pytest.mark.slow
@pytest.mark.parametrize(
    "survey",
    [
        Survey(24, 8, 2.0, 0.7, mixed=False),
        Survey(24, 8, 2.0, 0.7, mixed=True),
        Survey(10, 12, 2.0, 0.7, mixed=True),
        Survey(60, 4, 4.0, 0.5, mixed=False),
        Survey(200, 1, 2.0, 0.0, mixed=True),
    ],
    ids=["one class a place", "both classes a place", "ten places", "few errors", "stills"],
)
def test_intervals_contain_the_truth_in_many_surveys(survey: Survey) -> None:
    """A thousand surveys of each kind; `pytest -s` prints the table."""
    with threadpool_limits(1):  # matrices of a few columns: threads of BLAS cost more than they bring
        covered, by_sequence, told_apart = cover(survey, times=1000, draws=1000, seed=2)
    print(survey, covered, by_sequence, told_apart, sep="\n")
    assert min(covered.values()) >= 0.9, covered
    assert told_apart <= 0.09
