"""The map: readable names, sightings at the right places, imported surveys on maps of their own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from math import hypot

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import select
from starlette.testclient import TestClient
from tests.collector.conftest import LATITUDE, LONGITUDE, tells_of
from tests.collector.imports.test_survey import NOW, small, take
from tests.collector.station.test_alerts import state_of
from tests.collector.web.test_page import PASSWORD

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.schema import traps
from uncia_collector.catalogue.sightings import count_by_place, places
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.svg_geometry import MAP_HEIGHT, MAP_WIDTH, PlaceMark, place_labels, station_map
from uncia_contract.messages.records import TrapState, decode, encode

__all__ = ["small"]


@dataclass
class Place:
    """A deployment."""

    trap: str
    latitude: float = 36.9
    longitude: float = 73.0
    id: str = ""


def overlapping(boxes) -> int:
    """The number of pairs of boxes that overlap."""
    return sum(
        one[0] < two[2] and two[0] < one[2] and one[1] < two[3] and two[1] < one[3]
        for n, one in enumerate(boxes) for two in boxes[:n]
    )  # fmt: skip


@given(st.lists(st.tuples(st.floats(36.8, 37.1), st.floats(72.9, 73.3)), min_size=1, max_size=8))
def test_names_lie_on_the_map_and_not_on_each_other(where):
    """Names and numbers of eight traps do not overlap, even if all traps are in one spot."""
    named = [Place(f"trap-number-{n}", *one, id=str(n)) for n, one in enumerate(where)]
    drawn = station_map(named, {"0": 3})
    for marks in (drawn.places, drawn.numbers):
        boxes = [mark.label_box for mark in marks]

        assert overlapping(boxes) == 0
        assert all(x >= 0 and y >= 0 and right <= MAP_WIDTH and end <= MAP_HEIGHT for x, y, right, end in boxes)


def test_name_is_on_the_left_if_there_is_no_room_on_the_right():
    """The longest name at the map's right edge."""
    mark = PlaceMark(MAP_WIDTH - 60.0, 300.0, 8.0, Place("a-trap-whose-name-has-32-letters"), 2)
    place_labels([mark])

    assert mark.label_box[2] < mark.x and mark.label_y == 306


def test_moved_trap_has_its_sightings_at_each_place(stored, make_sequence, tmp_path):
    """Two at the first place, one at the second; a place left before the shown period is not on the map."""
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
        "old,36.7,73.0,2025-01-01T00:00:00Z,2025-06-01T00:00:00Z,ridge\n"
        "first,36.9,73.0,2026-01-01T00:00:00Z,2026-11-20T00:00:00Z,ridge\n"
        "second,36.8,73.1,2026-11-20T00:00:00Z,,ridge\n"
    )
    read_deployments(table, stored.database)
    for n, day in enumerate((18, 19, 21)):
        stored.commit(make_sequence(id=str(n), started_at=datetime(2026, 11, day, 3, tzinfo=UTC)).record_message())
    since = NOW - timedelta(days=30)
    with stored.database.reading() as connection:
        counted = count_by_place(connection, places(connection, since), since)

    assert counted == {"first": 2, "second": 1}


def test_imported_survey_has_a_map_of_its_own(stored, small, tmp_path):
    """A survey on another continent does not shrink the station's map: it is selected by its title."""
    take(small(), stored)
    table = tmp_path / "own.csv"
    table.write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\nd9,-41.3,174.8,2026-01-01,,harbour\n"
    )
    read_deployments(table, stored.database)
    People(stored.database).set_user("r", PASSWORD, "reviewer", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database))
    client.post("/login", data={"name": "r", "password": PASSWORD})
    own, theirs = (client.get(f"/map?days=3650&survey={name}").text for name in ("", "small"))

    assert '<option value="small">Small</option>' in own and '<option value="small" selected>' in theirs
    assert "-41.30000" in own and "36.91230" not in own
    assert "36.91230" in theirs and "-41.30000" not in theirs


def test_a_place_that_a_trap_sends_is_not_stored(stored, make_sequence):
    """Traps of release 0.1 send one; places come only from deployments."""
    state = msgspec.structs.replace(decode(state_of("ridge"), TrapState), latitude=LATITUDE, longitude=LONGITUDE)
    stored.commit(*make_sequence().messages(), RawMessage("uncia/v1/ridge/state", encode(state)))
    with stored.database.reading() as connection:
        kept = connection.execute(select(traps.c.state)).scalar_one()
        assert places(connection, NOW - timedelta(days=9000)) == []
    assert (decode(kept, TrapState).trap, tells_of(kept)) == ("ridge", [])


def test_name_away_from_its_circle_has_a_line_to_it():
    """Three traps in one spot: a name that is not beside its circle has a line to the circle's rim."""
    marks = [PlaceMark(400.0, 300.0, 20.0, Place(f"trap-number-{n}"), 1) for n in range(3)]
    place_labels(marks)
    leaders = [mark.leader for mark in marks]

    assert leaders.count(None) == 2
    [(x, y, rim_x, rim_y)] = [leader for leader in leaders if leader]
    assert hypot(rim_x - 400, rim_y - 300) == pytest.approx(20) and hypot(x - 400, y - 300) > 20
