"""The rule: the newest answer that was not taken back stands, whole; one from here before one of a survey."""

from dataclasses import dataclass

import pytest

from uncia_collector.observations.standing import standing, state


@dataclass
class Row:
    """What the rule reads."""

    key: int
    answer: int
    verdict: str = "relabelled"
    taxon: str | None = None
    undone: bool = False
    observation: str | None = None


ONE, TWO, THREE = Row(1, 1, "confirmed"), Row(2, 2, taxon="fox"), Row(3, 2, taxon="ibex")
TOLD = {
    "nobody": ([], []),
    "the newest": ([ONE, TWO], [TWO]),
    "all that was said together": ([TWO, ONE, THREE], [TWO, THREE]),
    "what was taken back does not stand": ([ONE, Row(4, 3, undone=True)], [ONE]),
    "a survey's before nothing": ([Row(9, 9, observation="o")], [Row(9, 9, observation="o")]),
    "one from here before a survey's newer": ([ONE, Row(9, 9, observation="o")], [ONE]),
}


@pytest.mark.parametrize(("told", "stands"), TOLD.values(), ids=TOLD)
def test_what_stands(told, stands):
    """The rule in all its cases."""
    assert standing(told) == stands


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([], ("open", [])), ([TWO, THREE, TWO], ("relabelled", ["fox", "ibex"])), ([TWO, ONE], ("confirmed", ["fox"])),
     ([Row(1, 1, "rejected")], ("rejected", []))],
    ids=["open", "two others", "the animal beside another", "not the animal"],
)  # fmt: skip
def test_what_it_makes_of_a_sequence(rows, expected):
    """Its state and the taxa that it shows besides the animal."""
    assert state(rows) == expected
