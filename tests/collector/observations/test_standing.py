"""Which answer stands: the newest that was not taken back; one from this station before one of a survey."""

from dataclasses import dataclass

import pytest

from uncia_collector.observations.standing import standing, state


@dataclass
class Row:
    """A row as `standing` reads it."""

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
def test_which_answer_stands(told, stands):
    """All cases of the rule."""
    assert standing(told) == stands


@pytest.mark.parametrize(
    ("rows", "expected"),
    [([], ("open", [])), ([TWO, THREE, TWO], ("relabelled", ["fox", "ibex"])), ([TWO, ONE], ("confirmed", ["fox"])),
     ([Row(1, 1, "rejected")], ("rejected", []))],
    ids=["open", "two others", "the animal beside another", "not the animal"],
)  # fmt: skip
def test_the_state_of_a_sequence_from_its_standing_rows(rows, expected):
    """Its review state, and the taxa that it shows besides the model's."""
    assert state(rows) == expected
