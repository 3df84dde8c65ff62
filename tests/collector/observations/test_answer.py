"""Answers read from forms."""

import pytest

from uncia_collector.observations.answer import Observation, answer_of_form, checked_answer
from uncia_contract.errors import DataError


def test_a_form_holds_several_observations():
    """Fields without a suffix, and fields that end in -2; empty fields are ignored."""
    form = {"label": "Snow leopard ", "count": "2", "sex": "female", "life_stage": "", "note": "by the spring"}
    form |= {"label-2": "ibex", "count-2": "", "certainty-2": "probable", "label-3": ""}
    assert answer_of_form(form) == [
        Observation("Snow leopard", 2, "female", "", "", "by the spring"),
        Observation("ibex", None, "", "", "probable"),
    ]


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({"label": "=1+1"}, "label '=1"),
        ({"label": "fox", "count": "0"}, "count 0: expected 1 to 999"),
        ({"label": "fox", "count": "many"}, "count 'many'"),
        ({"label": "fox", "sex": "both"}, "sex 'both': expected one of female"),
        ({"label": "fox", "note": "x" * 1001}, "note of 1001 characters"),
        ({"label": "fox", "note": "\0"}, "NUL"),
        ({}, "0 observations"),
    ],
    ids=["formula", "no animal", "no number", "sex", "long note", "NUL", "nothing"],
)
def test_impossible_values_are_refused(form, message):
    """One line says what, got and expected."""
    with pytest.raises(DataError, match=message):
        checked_answer(answer_of_form(form))
