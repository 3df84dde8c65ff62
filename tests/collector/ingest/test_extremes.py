"""Unusual values that the schemas allow, through the ingest to every page and every export."""

import io
import json
from datetime import UTC, datetime

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete
from starlette.testclient import TestClient
from tests.collector.conftest import SentSequence
from tests.collector.station.test_alerts import state_of

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.schema import frames, sequences, traps
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.ingest.subscriber import Ingest
from uncia_collector.ingest.wire_messages import RawMessage, parse_message
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, CollectorSettings
from uncia_collector.web.app import make_app
from uncia_contract.messages.records import encode

NOW = datetime.now(UTC)
RECORD, STATE = json.loads(encode(SentSequence().record)), json.loads(state_of("ridge"))
TOPICS = {"record": "uncia/v1/ridge/sequence/000001", "state": "uncia/v1/ridge/state"}
FIELDS = {
    kind: sorted(message.keys() - {"id", "trap", "schema"}) for kind, message in (("record", RECORD), ("state", STATE))
}
MOMENTS = [
    "0001-01-01T00:00:00",
    "0002-01-01T00:00:00",
    "1582-10-10T00:00:00",
    "1970-01-01T00:00:00",
    "9999-12-31T23:59:59",
]
STRANGE = (
    st.sampled_from([moment + zone for moment in MOMENTS for zone in ("Z", "+23:59", "-23:59")])
    | st.sampled_from([0, 1, -1, 0.5, 2**31, 2**63, 10**30, 1e308, True, False, None, "", "none", "exif"])
    | st.text(max_size=255)
    | st.sampled_from(["<script>", "\u2028", "\u202etext", "a" * 255, "{{ 7 }}", "%s", "../..", "=1+1"])
)
FRAME = st.fixed_dictionaries(
    {"n": st.sampled_from([0, 1, 1, 999, 1000, 2**31, 2**63])},
    optional=dict.fromkeys(("name", "size", "taken_at", "score", "why"), STRANGE)
    | {"region": st.lists(st.sampled_from([0, 0.5, 1, 1e-9]), min_size=4, max_size=4)},
)


@st.composite
def messages(draw) -> RawMessage:
    """A valid record or state with some unusual fields."""
    kind = draw(st.sampled_from(["record", "state"]))
    message = json.loads(json.dumps(RECORD if kind == "record" else STATE))
    for name in draw(st.sets(st.sampled_from(FIELDS[kind]), max_size=3)):
        inner = message[name]
        if name == "frames":
            message[name] = [inner[0] | changed for changed in draw(st.lists(FRAME, min_size=1, max_size=3))]
        elif isinstance(inner, dict):
            inner[draw(st.sampled_from(sorted(inner)))] = draw(STRANGE)
        else:
            message[name] = draw(STRANGE)
    return RawMessage(TOPICS[kind], json.dumps(message).encode())


@pytest.fixture(scope="module", params=[("sqlite", "Pacific/Kiritimati"), ("postgresql", "Pacific/Midway")], ids=str)
def station(request, tmp_path_factory):
    """A collector in a zone far from UTC (east or west), and an administrator's browser."""
    folder, (on, zone) = tmp_path_factory.mktemp("extremes"), request.param
    told = CollectorSettings(
        data=str(folder), time_zone=zone, broker=BrokerSettings(port=1), http=None,
        database="" if on == "sqlite" else request.getfixturevalue("postgresql").new_catalogue(),
    )  # fmt: skip
    collector = Collector(told)
    collector.database.migrate()
    (folder / "places.csv").write_text(
        "deploymentID,latitude,longitude,deploymentStart,cameraID\nd1,36.9,73,0002-01-01,ridge\n"
    )
    read_deployments(folder / "places.csv", collector.database)
    People(collector.database).set_user("a", "snow and rocks", "administrator", NOW)
    app = make_app(told, collector.database, collector.ingest)
    app.state.requests.burst = app.state.requests.per_s = 1e9  # this test sends more requests than a browser may
    page = TestClient(app, raise_server_exceptions=False)
    page.post("/login", data={"name": "a", "password": "snow and rocks"})
    yield collector, page
    collector.database.close()


def take(ingest: Ingest, message: RawMessage) -> None:
    """Store messages as the ingest's worker does."""
    assert ingest._store([(message, parse_message(message))]) is not None


@pytest.mark.heavy
@settings(max_examples=30, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(message=messages())
def test_whatever_is_stored_can_be_shown_and_exported(station, message):
    """A message is refused with a reason, or every page and every export works with it."""
    show_and_export(station, message)


@pytest.mark.faults
@settings(max_examples=200, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(message=messages())
def test_hundreds_of_unusual_messages_can_be_shown_and_exported(station, message):
    """The same with more examples."""
    show_and_export(station, message)


def show_and_export(station, message: RawMessage) -> None:
    """Store one message, then request every page and every export."""
    collector, page = station
    with collector.database.writing() as connection:
        for table in (sequences, frames, traps):
            connection.execute(delete(table))
    take(collector.ingest, message)
    pages = [
        "/",
        "/?state=open",
        "/traps",
        "/map?days=3650",
        "/activity?days=3650",
        "/recall",
        "/quarantine",
        "/metrics",
    ]
    with collector.database.reading() as connection:
        pages += [f"/sequences/{row['trap']}/{row['id']}" for row in listing(collector.database)]
        codes = {path: page.get(path).status_code for path in pages}
        for kind in KINDS:
            export(kind, Request(connection, "Station", collector.settings.folder, NOW), io.BytesIO())
    assert set(codes.values()) == {200}, codes
