"""Correcting the clock of an imported deployment: pages and exports have the right time, the record is unchanged."""

import csv
import io
import json
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient
from tests.collector.imports.test_survey import SMALL, exported, rows_of, small, take

from uncia_collector.catalogue.clocks.correction import shift_by_picture, shift_clock
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.schema import events, frames, sequences
from uncia_collector.cli.main import main
from uncia_collector.exports.kinds import Request, export
from uncia_collector.imports.event import unpack
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.settings import CollectorSettings, sqlite_url
from uncia_collector.web.app import make_app

__all__ = ["small"]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
BY = timedelta(days=1, hours=2)
TOLD = [datetime(2026, 4, 30, 23, tzinfo=UTC), datetime(2026, 5, 2, 4, tzinfo=UTC), datetime(2026, 5, 3, 4, tzinfo=UTC)]


def times(stored) -> list[datetime]:
    """The start times of all sequences, sorted."""
    with stored.database.reading() as connection:
        return [*connection.execute(select(sequences.c.started_at).order_by(sequences.c.started_at)).scalars()]


def frame_times(stored) -> list[datetime]:
    with stored.database.reading() as connection:
        return sorted(connection.execute(select(frames.c.taken_at)).scalars())


@pytest.mark.parametrize("by", ["difference", "picture"])
def test_sequences_frames_and_events_move(stored, small, by):
    """By a difference, or by a sequence whose time is known; repeating it changes nothing, zero takes it back."""
    take(small(), stored)
    before = frame_times(stored)
    if by == "picture":
        with stored.database.reading() as connection:
            [known] = connection.execute(select(sequences.c.id).where(sequences.c.started_at == TOLD[0])).scalars()
        done = shift_by_picture(stored.database, "d1", known, TOLD[0] + BY)
    else:
        done = shift_clock(stored.database, "d1", BY)
    assert (done.shift, done.belong, done.moved) == (BY, 3, 3)
    assert shift_clock(stored.database, "d1", BY).moved == 0
    assert times(stored) == [at + BY for at in TOLD] and frame_times(stored) == [at + BY for at in before]
    with stored.database.reading() as connection:
        began = set(connection.execute(select(events.c.started_at)).scalars())
        told = {unpack(record).started_at for record in connection.execute(select(sequences.c.record)).scalars()}
    assert began == {at + BY for at in TOLD} and told == set(TOLD)
    shift_clock(stored.database, "d1", timedelta(0))
    assert times(stored) == TOLD and frame_times(stored) == before


def test_every_row_of_camtrap_dp_has_the_right_time(stored, small):
    """Times of media and observations move; all other columns stay."""
    take(small(), stored)
    was = exported(stored)
    shift_clock(stored.database, "d1", BY)
    now = exported(stored)
    moved = {"media": ("timestamp",), "observations": ("eventStart", "eventEnd")}
    for table, columns in moved.items():
        pairs = [*zip(rows_of(was, table), rows_of(now, table), strict=True)]
        for old, new in pairs:
            for column in old:
                if column not in columns:
                    assert old[column] == new[column], column
                elif old[column]:
                    assert datetime.fromisoformat(new[column]) - datetime.fromisoformat(old[column]) == BY, column
        assert len(pairs) >= 2
    assert rows_of(was, "deployments")[0] | {"timestampIssues": ""} == rows_of(now, "deployments")[0] | {
        "timestampIssues": ""
    }


def written(stored, kind: str) -> str:
    stream = io.BytesIO()
    with stored.database.reading() as connection:
        export(kind, Request(connection, "Station", stored.root, NOW), stream)
    return stream.getvalue().decode("utf-8-sig")


def test_every_other_export_has_the_right_time(stored, small):
    """COCO, scores, observations, training data."""
    take(small(), stored)
    shift_clock(stored.database, "d1", BY)
    right = f"{TOLD[0] + BY:%Y-%m-%d %H:%M}"
    images = json.loads(written(stored, "coco"))["images"]
    assert {image["datetime"][:16] for image in images} == {right}
    assert {row["utc_time"][:16] for row in csv.DictReader(io.StringIO(written(stored, "observations")))} >= {right}
    for kind in ("scores", "training"):
        row = next(csv.DictReader(io.StringIO(written(stored, kind))))
        assert row["datetime"].replace("T", " ").startswith(right), kind


def test_a_newer_package_is_corrected_at_import(stored, small):
    """Importing an unchanged package again does not move the times twice."""
    take(small(), stored)
    shift_clock(stored.database, "d1", BY)
    take(small(), stored)
    assert times(stored) == [at + BY for at in TOLD]
    take(small(observations=SMALL["observations"].replace("0.93", "0.94")), stored)
    assert times(stored) == [at + BY for at in TOLD] and min(frame_times(stored)) == TOLD[0] + BY


def test_a_catalogue_that_imports_our_export_has_the_right_time(stored, small, tmp_path):
    """The times there are the corrected ones."""
    take(small(), stored)
    shift_clock(stored.database, "d1", BY)
    with (tmp_path / "out.zip").open("wb") as file, zipfile.ZipFile(file, "w") as target:
        source = exported(stored)
        for name in source.namelist():
            target.writestr(name, source.read(name))
    (tmp_path / "other").mkdir()
    other = Database(sqlite_url(tmp_path / "other"))
    other.migrate()
    with CamtrapPackage(tmp_path / "out.zip") as package:
        SurveyImport(package, other, FrameFolder(tmp_path / "other"), NOW).run()
    with other.reading() as connection:
        began = sorted(connection.execute(select(sequences.c.started_at)).scalars())
    other.close()
    assert began == [at + BY for at in TOLD]


def test_the_page_corrects_a_clock_and_shows_the_correction(on_sqlite, small):
    """The deployments page corrects the clock; the sequence's page shows the survey's time."""
    take(small(), on_sqlite)
    People(on_sqlite.database).set_user("anara", "snow and rocks", "administrator", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(on_sqlite.root)), on_sqlite.database))
    client.post("/login", data={"name": "anara", "password": "snow and rocks"})
    page = client.get("/deployments").text
    csrf = page.split('name="csrf" value="')[1].split('"')[0]
    page = client.post("/deployments/clock", data={"deployment": "d1", "by": "1d2h", "csrf": csrf}).text
    assert "corrected by <b>+1d2h</b> in 3 sequences<" in page
    with on_sqlite.database.reading() as connection:
        row = connection.execute(select(sequences).order_by(sequences.c.started_at)).first()
    sequence = client.get(f"/sequences/{row.trap}/{row.id}").text
    assert "corrected, the survey said 2026-04-30 23:00:00" in sequence and ">Correct it<" in sequence


def test_the_command_says_how_many_it_moved(on_sqlite, small, capsys):
    """One line, exit code 0."""
    take(small(), on_sqlite)
    assert main(["deployments", "shift", "d1", "--by", "1d2h", "--data", str(on_sqlite.root)]) == 0
    assert "d1: clock corrected by +1d2h; 3 sequences, 3 of them moved now" in capsys.readouterr().out
