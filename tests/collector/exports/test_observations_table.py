"""The observations table for spreadsheets, of a station in Dushanbe."""

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import give_answer, review
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.observations.answer import Observation

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def station(stored, make_sequence, tmp_path):
    """Sequences with two observations, with a word that the checklist lacks, rejected, and without an answer."""
    (tmp_path / "places.csv").write_text(
        "deploymentID,locationID,locationName,latitude,longitude,deploymentStart,cameraID\n"
        "d1,site1,Above the spring,36.9,73.0,2026-01-01,ridge\n"
    )
    read_deployments(tmp_path / "places.csv", stored.database)
    for known in ("1", "2", "3", "-4"):
        stored.commit(*make_sequence(id=known).messages())
    two = [
        Observation("Panthera uncia", 2, "female", "adult", "certain", "=HYPERLINK(1)"),
        Observation("ибекс"),
        Observation("ibex", 5),
    ]
    give_answer(stored.database, ("ridge", "1"), two, "anara", NOW)
    review(stored.database, ("ridge", "2"), "rejected", "bek", NOW)
    review(stored.database, ("ridge", "3"), "confirmed", "bek", NOW)
    return stored


def written(station, kind: str = "observations", exact: bool = False) -> bytes:
    """The content of an exported file."""
    stream = io.BytesIO()
    with station.database.reading() as connection:
        zone = ZoneInfo("Asia/Dushanbe")
        export(kind, Request(connection, "Station", station.root, NOW, exact, zone=zone), stream)
    return stream.getvalue()


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The lines of a table, by column."""
    return [*csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))]


def test_each_observation_is_a_line_with_its_names(station):
    """Local time and UTC, place, trap, both names, count, verdict, reviewer, score."""
    first, word, ibex, rejected, confirmed, waiting = sorted(
        rows_of(written(station)), key=lambda row: row["sequence"][-1]
    )
    assert (first["local_time"], first["time_zone"], first["utc_time"]) == (
        "2026-11-23 08:00:00", "UTC+05:00", "2026-11-23 03:00:00",
    )  # fmt: skip
    named = ("place", "trap", "scientific_name", "name_en", "name_ru", "count", "sex", "verdict", "reviewer", "score")
    assert [first[name] for name in named] == [
        "site1", "ridge", "Panthera uncia", "Snow leopard", "Снежный барс", "2", "female", "confirmed", "anara", "0.9",
    ]  # fmt: skip
    assert (word["scientific_name"], word["name_en"], word["kind"]) == ("", "ибекс", "")
    assert (ibex["scientific_name"], ibex["count"]) == ("Capra sibirica", "5")
    assert [(row["scientific_name"], row["verdict"]) for row in (rejected, confirmed, waiting)] == [
        ("", "rejected"), ("Panthera uncia", "confirmed"), ("", "not reviewed"),
    ]  # fmt: skip


def test_excel_reads_the_encoding_and_runs_no_formula(station):
    """The file has a byte order mark; a note or an id that looks like a formula is a text."""
    content = written(station)
    assert content.startswith("\ufeff".encode()) and "Снежный барс".encode() in content
    rows = rows_of(content)
    assert "'=HYPERLINK(1)" in {row["note"] for row in rows} and "'-4" in {row["sequence"] for row in rows}


def test_only_this_file_is_made_for_spreadsheets(station):
    """Every other export has no byte order mark and no apostrophe."""
    others = {kind: written(station, kind) for kind in KINDS if kind not in ("observations", "camtrap-dp")}
    assert [
        kind for kind, content in others.items() if content.startswith("\ufeff".encode()) or b"'-4" in content
    ] == []
    assert {row["sequence"] for row in rows_of(others["scores"])} == {"1", "2", "3", "-4"}


def test_a_place_is_named_where_exact_places_are_asked_for(station):
    """Otherwise by its id."""
    assert {row["place"] for row in rows_of(written(station, exact=True))} == {"Above the spring"}
