"""Answers: stored, replaced, taken back."""

from datetime import UTC, datetime

import pytest

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.review import (
    AnsweredMeanwhileError,
    apply_checklist,
    give_answer,
    observations_of,
    review,
    standing_of,
    undo,
)
from uncia_collector.observations.answer import Observation
from uncia_collector.observations.checklist import Taxon, shipped_checklist
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = ("ridge", "000001")


def state(stored) -> tuple:
    """The sequence's review state."""
    with stored.database.reading() as connection:
        row = gallery.sequence(connection, KEY)
    return row.review, row.review_label


def test_the_newest_answer_stands(stored, sent):
    """A second answer replaces the first, which is kept."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "confirmed", "anara", NOW)
    review(stored.database, KEY, "relabelled", "bek", NOW, "lynx")

    assert state(stored) == ("relabelled", "lynx")


def test_the_models_own_label_confirms(stored, sent):
    """Writing the animal's name has the same effect as pressing Yes."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "relabelled", "anara", NOW, "snow_leopard")

    assert state(stored) == ("confirmed", None)


def test_undo_takes_back_the_reviewers_newest_answer(stored, sent):
    """The answer before it stands again; other people's answers do not change."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "confirmed", "anara", NOW)
    review(stored.database, KEY, "rejected", "bek", NOW)

    assert undo(stored.database, "bek") == KEY and state(stored) == ("confirmed", None)
    assert undo(stored.database, "bek") is None


@pytest.mark.parametrize(
    ("key", "verdict", "label"),
    [
        (KEY, "maybe", None),
        (KEY, "relabelled", "=1+1"),
        (KEY, "relabelled", ""),
        (("ridge", "none"), "confirmed", None),
    ],
    ids=["verdict", "formula as label", "no label", "no such sequence"],
)
def test_an_invalid_answer_is_refused(stored, sent, key, verdict, label):
    """Nothing is stored."""
    stored.commit(sent.record_message())
    with pytest.raises(DataError):
        review(stored.database, key, verdict, "anara", NOW, label)

    assert state(stored) == ("open", None)


@pytest.mark.parametrize("name", ["Snow leopard", "Panthera uncia", "снежный барс", "snow_leopard "], ids=str)
def test_the_animal_by_any_of_its_names_confirms(stored, sent, name):
    """Once such an answer became a negative example for the next model."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "relabelled", "anara", NOW, name)

    assert state(stored) == ("confirmed", None)


def told(stored) -> list[tuple]:
    """(answer, taxon, said, count, undone) of all observations, oldest first."""
    with stored.database.reading() as connection:
        rows = observations_of(connection, [KEY])[KEY]
    return [(row.answer, row.taxon, row.said, row.count, row.undone) for row in rows]


def test_several_observations_in_one_answer_stand_and_go_together(stored, sent):
    """A leopard and its prey; undo takes the whole answer back, and the rows stay."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "relabelled", "anara", NOW, "Fox ")
    give_answer(stored.database, KEY, [Observation("Snow leopard", 1), Observation("ibex", 5)], "anara", NOW)
    assert state(stored) == ("confirmed", None)

    undo(stored.database, "anara")
    assert state(stored) == ("relabelled", "fox")
    assert told(stored) == [
        (1, "fox", "Fox", None, False), (2, "snow_leopard", "Snow leopard", 1, True), (2, "ibex", "ibex", 5, True),
    ]  # fmt: skip


def test_an_answer_that_the_reviewer_did_not_see_is_not_replaced(stored, sent):
    """If another answer stands than the one on the page, an error is raised; the second attempt is stored."""
    stored.commit(sent.record_message())
    first = give_answer(stored.database, KEY, [Observation("wolf")], "anara", NOW, seen=0)
    with pytest.raises(AnsweredMeanwhileError, match="anara has answered since") as caught:
        give_answer(stored.database, KEY, [Observation("fox")], "bek", NOW, seen=0)
    assert [row.taxon for row in caught.value.rows] == ["wolf"] and len(told(stored)) == 1

    give_answer(stored.database, KEY, [Observation("fox")], "bek", NOW, seen=first)
    assert state(stored) == ("relabelled", "fox") and len(told(stored)) == 2


def test_the_reviewers_own_newer_answer_can_be_replaced(stored, sent):
    """From a page that was opened before that answer."""
    stored.commit(sent.record_message())
    for name in ("wolf", "fox"):
        give_answer(stored.database, KEY, [Observation(name)], "anara", NOW, seen=0)

    assert state(stored) == ("relabelled", "fox")


def test_an_answer_taken_back_meanwhile_is_reported(stored, sent):
    """The answer on the page stands no longer."""
    stored.commit(sent.record_message())
    seen = give_answer(stored.database, KEY, [Observation("wolf")], "anara", NOW, seen=0)
    undo(stored.database, "anara")
    with pytest.raises(AnsweredMeanwhileError):
        give_answer(stored.database, KEY, [Observation("fox")], "bek", NOW, seen=seen)


def test_a_name_that_is_added_to_the_list_changes_earlier_answers(stored, sent):
    """Free text becomes the taxon, and the animal's own name a confirmation; the written words stay."""
    stored.commit(sent.record_message())
    for name in ("Wawa", "Ghost"):
        review(stored.database, KEY, "relabelled", "anara", NOW, name)
    assert state(stored) == ("relabelled", "ghost")
    own = [
        Taxon("wawa", "animal", names={"en": "Wawa"}),
        Taxon("snow_leopard", "animal", "Panthera uncia", {"en": "Ghost"}),
    ]
    assert apply_checklist(stored.database, shipped_checklist().with_own(own)) == 1

    assert state(stored) == ("confirmed", None) and [row[2] for row in told(stored)] == ["Wawa", "Ghost"]
    assert apply_checklist(stored.database, shipped_checklist().with_own(own)) == 0
    with stored.database.reading() as connection:
        assert standing_of(connection, KEY)[0].taxon == "snow_leopard"


def test_the_bundles_own_label_is_used_for_a_taxon(stored, make_sequence):
    """`review_label` is the bundle's label of the taxon, so that a renamed sighting stays a sighting."""
    stored.commit(make_sequence(probabilities={"snow_leopard": 0.6, "red_fox": 0.3}).record_message())
    review(stored.database, KEY, "relabelled", "anara", NOW, "Fox")

    assert state(stored) == ("relabelled", "red_fox")
