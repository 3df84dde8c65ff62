"""A score keeps its peak, note and labels when logits are subtracted."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.bursts.frame_scores import FrameScore, LabelledScore, NotedScore, lowered

probability = st.floats(0.0, 1.0, allow_nan=False)


@given(probability, st.floats(0.0, 100.0))
def test_a_lowered_probability_is_a_probability_and_no_higher(score: float, logits: float) -> None:
    """Within 1e-6 of 0, where logits are clipped, it may be slightly higher."""
    assert 0.0 <= lowered(score, logits) <= max(score, 1e-6) + 1e-12


def test_a_logit_is_a_logit() -> None:
    """The logit of 0.5 is 0; minus 2.5 it is a probability of 0.076."""
    assert lowered(0.5, 2.5) == pytest.approx(1 / (1 + math.exp(2.5)))


@pytest.mark.parametrize(
    "score",
    [FrameScore(0.75), NotedScore(0.75, "note"), LabelledScore(0.75, {"snow_leopard": 0.5, "prey": 0.25})],
    ids=["plain", "noted", "labelled"],
)
def test_a_lowered_score_is_of_its_kind_and_keeps_its_peak(score: FrameScore) -> None:
    """The class and the peak stay."""
    low = score.at((0.25, 0.75)).lowered(1.0)
    assert (type(low), float(low), low.peak) == (type(score), lowered(0.75, 1.0), (0.25, 0.75))


def test_a_note_stays() -> None:
    """`lowered` does not change the note."""
    assert NotedScore(0.75, "note").lowered(1.0).note == "note"


def test_labels_keep_their_parts_of_the_sum() -> None:
    """Both labels are lowered by the same factor as their sum."""
    low = LabelledScore(0.75, {"snow_leopard": 0.5, "prey": 0.25}).lowered(1.0)
    assert low.labels == pytest.approx({"snow_leopard": low * 2 / 3, "prey": low / 3})


def test_labels_of_nothing_stay_nothing() -> None:
    """No division by a sum of 0."""
    assert LabelledScore(0.0, {"snow_leopard": 0.0, "prey": 0.0}).lowered(1.0).labels == {"snow_leopard": 0, "prey": 0}
