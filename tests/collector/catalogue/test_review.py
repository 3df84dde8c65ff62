"""Opinions: written down, replaced, taken back."""

from datetime import UTC, datetime

import pytest

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.review import review, undo
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, tzinfo=UTC)
KEY = ("ridge", "000001")


def state(stored) -> tuple:
    """What stands of the sequence."""
    with stored.database.reading() as connection:
        row = gallery.sequence(connection, KEY)
    return row.review, row.review_label


def test_newest_opinion_stands(stored, sent):
    """A second look replaces the first, which is kept."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "confirmed", "anara", NOW)
    review(stored.database, KEY, "relabelled", "bek", NOW, "lynx")

    assert state(stored) == ("relabelled", "lynx")


def test_the_models_own_label_confirms(stored, sent):
    """Who writes the animal's name instead of pressing Yes has made a sighting like any other."""
    stored.commit(sent.record_message())
    review(stored.database, KEY, "relabelled", "anara", NOW, "snow_leopard")

    assert state(stored) == ("confirmed", None)


def test_undo_takes_back_ones_own_newest(stored, sent):
    """Undo brings back what stood before, and leaves other people's opinions alone."""
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
def test_impossible_opinion_is_refused(stored, sent, key, verdict, label):
    """And nothing is written."""
    stored.commit(sent.record_message())
    with pytest.raises(DataError):
        review(stored.database, key, verdict, "anara", NOW, label)

    assert state(stored) == ("open", None)
