"""Surveys of a hub's cameras: their sequences belong to hub and camera, as those that the hub sends."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select, text
from tests.collector.imports.test_survey import HEADER, OTHERS, SMALL, SPLIT, small, take

from uncia_collector.catalogue.clocks.correction import shift_clock
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import events, frames, observations, sequences
from uncia_collector.catalogue.sightings import count_by_place, count_sightings, places

__all__ = ["small"]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
IN_FOLDERS_OF_CAMERAS = """
UPDATE sequences SET trap = trap || '/' || camera, camera = '', review = review WHERE origin <> '';
UPDATE frames SET trap = 'ridge/cam1', path = replace(path, 'frames/ridge/', 'frames/ridge/cam1/');
UPDATE observations SET trap = 'ridge/cam1';
UPDATE alembic_version SET version_num = '0022'
"""


@pytest.fixture
def survey(stored, small):
    """Writes a survey of the camera `ridge/cam1`, which has the same deployment at this station."""
    placed = SMALL["deployments"].replace("CAM 1", "ridge/cam1")
    read_deployments(small(deployments=placed), stored.database)
    return lambda **changed: small(deployments=placed, **changed)


def test_a_survey_of_a_hubs_camera_counts_for_that_camera(stored, survey):
    """The station has the survey's deployment: maps, counts, pages and clocks take its sequences as the camera's."""
    take(survey(), stored)
    with stored.database.reading() as connection:
        told = connection.execute(select(sequences.c.trap, sequences.c.camera).distinct()).all()
        by_place = count_by_place(connection, places(connection, SINCE), SINCE)
        assert count_sightings(connection, SINCE, UTC).by_trap == {"ridge/cam1": 1}
    assert ([*map(tuple, told)], by_place) == ([("ridge", "cam1")], {"d1": 1})
    assert shift_clock(stored.database, "d1", timedelta(hours=2)).moved == 3


def test_events_of_a_hub_leave_the_counts_of_a_surveys_camera(stored, survey, make_sequence):
    """Sequences that the hub sends in the same month do not remove them."""
    take(survey(), stored)
    stored.commit(*make_sequence(id="s0", camera="cam2", started_at=datetime(2026, 4, 30, 12, tzinfo=UTC)).messages())
    with stored.database.reading() as connection:
        assert count_sightings(connection, SINCE, UTC).by_trap == {"ridge/cam1": 1, "ridge/cam2": 1}


@pytest.fixture
def older(stored, survey):
    """A catalogue in which an earlier version stored the survey's sequences under the trap `ridge/cam1`."""
    take(survey(), stored)
    with stored.database.reading() as connection:
        [leopard] = connection.execute(select(frames.c.sequence).where(frames.c.status == "stored")).scalars()
    review(stored.database, ("ridge", leopard), "confirmed", "anara", NOW)
    with stored.database.writing() as connection:
        for statement in IN_FOLDERS_OF_CAMERAS.split(";"):
            connection.execute(text(statement))
    (stored.root / "frames" / "ridge" / "2026-04").rename(stored.root / "2026-04")
    (stored.root / "frames" / "ridge" / "cam1").mkdir()
    (stored.root / "2026-04").rename(stored.root / "frames" / "ridge" / "cam1" / "2026-04")
    return stored


def names_in(stored) -> set[tuple[str, str]]:
    """The (trap, camera) of all sequences and events, and the traps of their frames and observations."""
    with stored.database.reading() as connection:
        own = {(row.trap, row.camera) for table in (sequences, events) for row in connection.execute(select(table))}
        return own | {(row.trap, "cam1") for of in (frames, observations) for row in connection.execute(select(of))}


def test_sequences_of_an_older_catalogue_move_to_the_hub(older):
    """Counts, answers and pictures are those of the camera."""
    assert ("ridge/cam1", "") in names_in(older)
    older.database.migrate()
    assert names_in(older) == {("ridge", "cam1")}
    with older.database.reading() as connection:
        assert count_sightings(connection, SINCE, UTC).by_trap == {"ridge/cam1": 1}
        reviewers = set(connection.execute(select(observations.c.reviewer)).scalars())
        [path] = connection.execute(select(frames.c.path).where(frames.c.status == "stored")).scalars()
    assert "anara" in reviewers and path.startswith("frames/ridge/cam1/") and (older.root / path).is_file()


def test_a_survey_of_an_older_catalogue_is_known_and_its_clock_corrected(older, survey):
    """Imported again, unchanged or changed, it replaces its own rows, and no picture's file is lost."""
    older.database.migrate()
    assert take(survey(), older).unchanged == 3
    assert take(survey(observations="".join([HEADER, *SPLIT, *OTHERS])), older).sequences == 4
    with older.database.reading() as connection:
        [path] = connection.execute(select(frames.c.path).where(frames.c.status == "stored")).scalars()
    assert (older.root / path).is_file() and len(older.files()) == 1
    assert shift_clock(older.database, "d1", timedelta(hours=2)).moved == 4


def test_an_event_that_was_imported_for_two_cameras_stays_twice(older):
    """The table of deployments had named another camera in between: the second one gets another id."""
    with older.database.writing() as connection:
        kept = [column.name for column in sequences.c if column.computed is None and column.name != "trap"]
        columns = ", ".join(kept)
        copied = f"INSERT INTO sequences (trap, {columns}) SELECT 'ridge/cam2', {columns} FROM sequences"
        connection.execute(text(copied))
    older.database.migrate()
    with older.database.reading() as connection:
        found = connection.execute(select(sequences.c.trap, sequences.c.camera, sequences.c.id)).all()
    assert sorted(row.camera for row in found) == ["cam1"] * 3 + ["cam2"] * 3
    assert {row.trap for row in found} == {"ridge"} and len({row.id for row in found}) == 6


FOREIGN = ["A/B", "Cam 1/2", "/B", "A/", "a/b", "a/b/c", "a-b", "a b", "/", "ridge/cam1", "ridge/cam1/x"]


def test_names_of_foreign_cameras_give_one_trap_each(stored, small):
    """Only a deployment of this station's own names a hub's camera: a `/` in a foreign name means nothing."""
    header, row = SMALL["deployments"].splitlines(keepends=True)
    deployments = [header, *(row.replace("d1", f"d{n}").replace("CAM 1", name) for n, name in enumerate(FOREIGN, 1))]
    media = [f"x{n},d{n},2026-05-04T04:00:00Z,https://example.org/c.jpg,true,image/jpeg,\n" for n in range(2, 12)]
    package = small(deployments="".join(deployments), media=SMALL["media"] + "".join(media))
    for unchanged in (0, 13):
        counts = take(package, stored)
        assert (counts.sequences, counts.unchanged) == (13, unchanged)
    with stored.database.reading() as connection:
        found = {tuple(row) for row in connection.execute(select(sequences.c.trap, sequences.c.camera))}
    assert len(found) == len(FOREIGN) and {camera for _, camera in found} == {""}
    assert not any("/" in trap for trap, _ in found)
