"""A catalogue of release 0.1 is migrated and used, on SQLite and from a dump of PostgreSQL."""

import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import apply_checklist, review
from uncia_collector.catalogue.schema import observations, sequences
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.wire_messages import parse_message
from uncia_collector.observations.checklist import shipped_checklist
from uncia_collector.settings import sqlite_url

NOW = datetime(2026, 12, 1, tzinfo=UTC)


@pytest.fixture(params=["sqlite", "postgresql"])
def catalogue(request: pytest.FixtureRequest, release: Path) -> Iterator[Database]:
    """The release's catalogue, migrated by the present code."""
    url = sqlite_url(release / "station")
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        url = server.new_database()
        dump, name = release / "station" / "catalogue.postgresql.sql", url.split("@/")[1].split("?")[0]
        where = ["-h", server.folder, "-U", server.user]
        command = [server.programs / "psql", "-q", "-v", "ON_ERROR_STOP=1", *where, "-f", dump, name]
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    database = Database(url)
    database.migrate()
    yield database
    database.close()


def test_every_sequence_is_listed_as_it_was(catalogue: Database) -> None:
    """Complete and incomplete ones, with their stored frames."""
    found = {(row["trap"], row["id"]): (row["complete"], len(list(row["files"]))) for row in listing(catalogue)}
    assert found == {
        ("ridge", "000001"): (True, 2),
        ("ridge", "000002"): (False, 1),
        ("spring", "000001"): (True, 1),
        ("spring", "000002"): (True, 1),
    }


def test_every_review_is_an_observation(catalogue: Database) -> None:
    """With reviewer, time and verdict; a typed label becomes the checklist's taxon, and its words are kept."""
    apply_checklist(catalogue, shipped_checklist())
    with catalogue.reading() as connection:
        rows = connection.execute(select(observations).order_by(observations.c.key)).all()
        states = connection.execute(select(sequences.c.review, sequences.c.review_label, sequences.c.trap)).all()
    assert [(row.trap, row.sequence, row.reviewer, row.verdict, row.taxon, row.said, row.undone) for row in rows] == [
        ("ridge", "000001", "anara", "confirmed", "snow_leopard", None, False),
        ("spring", "000001", "anara", "rejected", None, None, False),
        ("spring", "000001", "anara", "relabelled", "fox", "red fox", False),
    ]
    assert f"{rows[2].at:%Y-%m-%d %H:%M}" == "2026-11-23 06:01" and ("relabelled", "fox", "spring") in states
    review(catalogue, ("ridge", "000002"), "rejected", "anara", NOW)  # the next key is free


def test_a_person_can_still_log_in(catalogue: Database) -> None:
    """With the password of release 0.1."""
    assert People(catalogue).log_in("anara", "snow leopard", NOW) is not None


def test_an_incomplete_sequence_is_completed(catalogue: Database, release: Path, make_sequence, make_jpeg):
    """A new sequence is stored too, and its receipt says so."""
    store = Store(catalogue, FrameFolder(release / "station"))
    sent = make_sequence("000003", "ridge", [make_jpeg(7)])
    [addressed] = store.commit([parse_message(message) for message in sent.messages()], NOW)
    assert addressed.receipt.record_stored and addressed.receipt.frames_stored == (0,)
    assert len(list(listing(catalogue))) == 5
