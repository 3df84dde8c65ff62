"""A hub's cameras at the base station: placed, shown, counted and exported each by itself; old records go on."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import select
from tests.collector.catalogue.test_overdue import pass_state
from tests.collector.web.test_page import as_role, station

from uncia_collector.catalogue.clocks.correction import shift_by_picture, shift_clock
from uncia_collector.catalogue.deployments import read_deployments, remove_deployment
from uncia_collector.catalogue.overdue import camera_silences
from uncia_collector.catalogue.recall import miss_rates
from uncia_collector.catalogue.schema import sequences, traps
from uncia_collector.catalogue.sightings import count_by_place, places
from uncia_collector.effort.hours import note_heard, note_listening
from uncia_collector.effort.tables import Wanted, effort_csv
from uncia_collector.exports.kinds import Request, export
from uncia_contract.messages.records import CameraSign, TrapState, decode, encode

__all__ = ["as_role", "station"]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENTS = (
    "deploymentID,locationID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
    "d0,hub,36.0,73.0,2026-01-01T00:00:00Z,,ridge\nd1,spring,36.5,73.1,2026-01-01T00:00:00Z,,ridge/cam1\n"
)


@pytest.fixture
def hub(stored, make_sequence, make_jpeg, tmp_path):
    """Two cameras within a minute, one of them placed by itself; and a record of before there were cameras."""
    (tmp_path / "places.csv").write_text(DEPLOYMENTS)
    read_deployments(tmp_path / "places.csv", stored.database)
    for number, camera in enumerate(("cam1", "cam2", "")):
        began = NOW - timedelta(hours=3, seconds=20 * number)
        sequence = make_sequence(id=f"s{number}", camera=camera, pictures=[make_jpeg(number)], started_at=began)
        stored.commit(*sequence.messages())
    return stored


def exported(hub, kind: str) -> bytes:
    stream = io.BytesIO()
    with hub.database.reading() as connection:
        export(kind, Request(connection, "Station", hub.root, NOW), stream)
    return stream.getvalue()


def test_each_camera_has_events_of_its_own_on_the_map(hub):
    """Within the independence interval, and yet two places and three events; the hub's place has what is not placed."""
    with hub.database.reading() as connection:
        found = places(connection, SINCE)
        assert count_by_place(connection, found, SINCE) == {"d0": 2, "d1": 1}


def test_exports_place_each_camera(hub):
    """Its own deployment, else the hub's; tables name it."""
    package = zipfile.ZipFile(io.BytesIO(exported(hub, "camtrap-dp")))
    rows = csv.DictReader(io.TextIOWrapper(package.open("media.csv"), "utf-8"))
    assert {row["mediaID"].split(":")[1]: row["deploymentID"] for row in rows} == {"s0": "d1", "s1": "d0", "s2": "d0"}
    cameras = csv.DictReader(io.TextIOWrapper(package.open("deployments.csv"), "utf-8"))
    assert {row["deploymentID"]: row["cameraID"] for row in cameras} == {"d0": "ridge", "d1": "ridge/cam1"}
    assert {image["location"] for image in json.loads(exported(hub, "coco"))["images"]} == {"hub", "spring"}
    scores = csv.DictReader(exported(hub, "scores").decode().splitlines())
    assert {row["trap"] for row in scores} == {"ridge/cam1", "ridge/cam2", "ridge"}


def test_effort_counts_each_camera_where_it_stands(hub):
    """A detection of a camera that a deployment places is that place's; the hub's place has the others."""
    for hours in range(-30, 1):
        with hub.database.writing() as connection:
            note_listening(connection, NOW + timedelta(hours=hours))
            note_heard(connection, "ridge", NOW + timedelta(hours=hours), False, None)
    tables, night = {}, date(2026, 11, 22)
    with hub.database.reading() as connection:
        for kind in ("nights", "detections", "records"):
            text = effort_csv(connection, kind, Wanted(night, night, UTC, days=1), NOW + timedelta(days=1))
            tables[kind] = [*csv.reader(text.splitlines())][1:]
    assert tables["nights"] == [
        ["hub", "ridge", "2026-11-22", "worked", "2"],
        ["spring", "ridge/cam1", "2026-11-22", "worked", "1"],
    ]
    assert tables["detections"] == [["hub", "1"], ["spring", "1"]]
    assert [row[:2] for row in tables["records"]] == [["hub", "ridge"], ["hub", "ridge/cam2"], ["spring", "ridge/cam1"]]


@pytest.mark.parametrize(("deployment", "moved"), [("d1", {"s0", "later"}), ("d0", {"s1", "s2"})])
def test_a_wrong_clock_is_put_right_where_the_camera_stands(hub, make_sequence, make_jpeg, deployment, moved):
    """Of a camera's own deployment its sequences, also those that come later; of the hub's the others."""
    done = shift_clock(hub.database, deployment, timedelta(hours=2))
    hub.commit(*make_sequence(id="later", camera="cam1", pictures=[make_jpeg(9)], started_at=NOW).messages())
    assert done.belong == done.moved == len(moved - {"later"})
    with hub.database.reading() as connection:
        shifted = select(sequences.c.id).where(sequences.c.clock_shift_s == 7200)
        assert set(connection.execute(shifted).scalars()) == moved


def test_one_picture_tells_the_clock_of_a_camera(hub):
    """By the camera's own deployment."""
    done = shift_by_picture(hub.database, "d1", "s0", NOW)
    assert (done.shift, done.moved) == (timedelta(hours=3), 1)
    remove_deployment(hub.database, "d1")
    with hub.database.reading() as connection:
        assert set(connection.execute(select(sequences.c.clock_shift_s)).scalars()) == {0.0}


def test_recall_is_told_by_the_cameras_place(stored, hub, make_sequence, make_jpeg):
    """An audit of a camera counts where that camera stands."""
    audit = make_sequence(id="a1", camera="cam1", audit=True, positive=False, score=0.1, pictures=[make_jpeg(9)])
    stored.commit(*audit.messages())
    with stored.database.reading() as connection:
        assert {rate.site for rate in miss_rates(connection) if rate.site} == {"spring"}


def test_pages_name_and_filter_by_camera(as_role, stored, make_sequence, make_jpeg):
    """Card, sequence, and the filter that the map and the traps' page lead to."""
    stored.commit(*make_sequence(id="c1", camera="cam1", pictures=[make_jpeg(4)]).messages())
    page = as_role("viewer")
    found = page.get("/?trap=ridge/cam1").text
    assert found.count('class="card"') == 1
    assert "<strong>ridge/cam1</strong>" in found
    assert "<h1>ridge/cam1 " in page.get("/sequences/ridge/c1").text


@pytest.mark.parametrize(("days", "overdue"), [(6, False), (8, True)])
def test_a_silent_camera_is_missed_though_its_hub_is_well(stored, days, overdue):
    """#5: by the trap's clock up to its state, by ours since; whatever the year is there."""
    state = decode(pass_state(None).payload, TrapState)
    signs = (CameraSign("cam1", state.sent_at - timedelta(days=days), 3),)
    told = pass_state(None)
    stored.commit(type(told)(told.topic, encode(TrapState(**{**_fields(state), "cameras": signs}))), now=NOW)
    with stored.database.reading() as connection:
        row = connection.execute(select(traps)).one()
    assert camera_silences(row, decode(row.state, TrapState), NOW)["cam1"].is_overdue is overdue


def _fields(state: TrapState) -> dict[str, object]:
    return {name: getattr(state, name) for name in state.__struct_fields__}
