"""A hub's cameras at the base station: each has its own place, pages, counts and exports; old records stay valid."""

import csv
import io
import json
import zipfile
from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace
from sqlalchemy import select
from tests.collector.catalogue.test_overdue import pass_state
from tests.collector.web.test_page import as_role, station

from uncia_collector.catalogue.clocks.correction import shift_by_picture, shift_clock
from uncia_collector.catalogue.deployments import read_deployments, remove_deployment
from uncia_collector.catalogue.gallery import trap_names
from uncia_collector.catalogue.overdue import camera_silences
from uncia_collector.catalogue.recall import miss_rates
from uncia_collector.catalogue.schema import sequences, traps
from uncia_collector.catalogue.sightings import count_by_place, count_sightings, places
from uncia_collector.effort.camera_signs import MOST_CAMERAS, note_signs, signs_of
from uncia_collector.effort.hours import note_heard, note_listening
from uncia_collector.effort.tables import Wanted, effort_csv
from uncia_collector.exports.kinds import Request, export
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.settings import AlertRule, AlertSettings, CollectorSettings
from uncia_collector.station.alert_channels import Channel
from uncia_collector.station.alerts import Alerts
from uncia_collector.web.metrics import exposition
from uncia_contract.messages.records import MAX_CAMERAS, CameraSign, TrapState, decode, encode
from uncia_contract.messages.topics import Topics

__all__ = ["as_role", "station"]
STATE = decode(pass_state(None).payload, TrapState)
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
SINCE = datetime(2026, 1, 1, tzinfo=UTC)
DEPLOYMENTS = (
    "deploymentID,locationID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
    "d0,hub,36.0,73.0,2026-01-01T00:00:00Z,,ridge\nd1,spring,36.5,73.1,2026-01-01T00:00:00Z,,ridge/cam1\n"
)


@pytest.fixture
def hub(stored, make_sequence, make_jpeg, tmp_path):
    """Sequences of two cameras within a minute, one with its own deployment; and a record without a camera."""
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
    """Within the independence interval there are two places and three events; unplaced cameras are at the hub's."""
    with hub.database.reading() as connection:
        found = places(connection, SINCE)
        assert count_by_place(connection, found, SINCE) == {"d0": 2, "d1": 1}


def test_exports_place_each_camera(hub):
    """By the camera's own deployment, else by the hub's; tables name the camera."""
    package = zipfile.ZipFile(io.BytesIO(exported(hub, "camtrap-dp")))
    rows = csv.DictReader(io.TextIOWrapper(package.open("media.csv"), "utf-8"))
    assert {row["mediaID"].split(":")[1]: row["deploymentID"] for row in rows} == {"s0": "d1", "s1": "d0", "s2": "d0"}
    cameras = csv.DictReader(io.TextIOWrapper(package.open("deployments.csv"), "utf-8"))
    assert {row["deploymentID"]: row["cameraID"] for row in cameras} == {"d0": "ridge", "d1": "ridge/cam1"}
    assert {image["location"] for image in json.loads(exported(hub, "coco"))["images"]} == {"hub", "spring"}
    scores = csv.DictReader(exported(hub, "scores").decode().splitlines())
    assert {row["trap"] for row in scores} == {"ridge/cam1", "ridge/cam2", "ridge"}


def told_since(hub, days: int, **last_bursts: int) -> None:
    """Note a state of the ridge every hour; the cameras' last bursts are the given numbers of days old."""
    with hub.database.writing() as connection:
        for now in (NOW + timedelta(hours=hours) for hours in range(-24 * days, 1)):
            note_listening(connection, now)
            note_heard(connection, "ridge", now, False, None)
            signs = (CameraSign(name, min(now, NOW - timedelta(days=ago)), 1) for name, ago in last_bursts.items())
            if now.hour == 0 or now == NOW:
                note_signs(connection, "ridge", replace(STATE, sent_at=now, cameras=tuple(signs)), now)


def table(hub, kind: str, first: date, last: date, days: int = 1) -> list[list[str]]:
    """The rows of a table of effort."""
    with hub.database.reading() as connection:
        text = effort_csv(connection, kind, Wanted(first, last, UTC, days=days), NOW + timedelta(days=1))
    return [*csv.reader(text.splitlines())][1:]


def test_effort_counts_each_camera_where_it_stands(hub):
    """Nights and detections count for each camera: one night of a hub with two cameras is two nights."""
    told_since(hub, 3, cam1=0, cam2=0)
    night = date(2026, 11, 22)
    assert table(hub, "nights", night, night) == [
        ["spring", "ridge/cam1", "2026-11-22", "worked", "1"],
        ["hub", "ridge/cam2", "2026-11-22", "worked", "1"],
    ]
    assert table(hub, "detections", night, night) == [["hub", "1"], ["spring", "1"]]
    assert table(hub, "effort", night, night) == [["hub", "1"], ["spring", "1"]]
    records = [row[:2] for row in table(hub, "records", night, night)]
    assert records == [["hub", "ridge/cam2"], ["spring", "ridge/cam1"]]
    summary = {row[0]: (row[1], row[5]) for row in table(hub, "summary", night, night)}
    assert summary == {"ridge": ("0", "0"), "ridge/cam1": ("1", "1"), "ridge/cam2": ("1", "1"), "all": ("2", "2")}


def test_a_camera_has_no_nights_before_its_first_sign_and_is_silent_a_week_after_its_last(stored):
    """A broken camera of a working hub has no effort; a later burst shows that the camera was on."""
    told_since(stored, 20, cam1=0, cam2=12)
    first, last = date(2026, 11, 1), date(2026, 11, 22)
    nights = {name: "".join(row[3][0] for row in table(stored, "nights", first, last) if row[1] == name)
              for name in ("ridge", "ridge/cam1", "ridge/cam2")}  # fmt: skip
    assert nights == {"ridge": "", "ridge/cam1": "w" * 19, "ridge/cam2": "w" * 14 + "s" * 5}
    told_since(stored, 1, cam2=0)
    assert [row[3] for row in table(stored, "nights", first, last) if row[1] == "ridge/cam2"] == ["worked"] * 19


def test_a_hub_that_names_new_cameras_without_end_fills_no_table(stored):
    """New names are ignored from some hundreds on; the known cameras go on."""
    for batch in range(8):
        at = NOW + timedelta(hours=batch)
        new = (CameraSign("cam1", at, 1), *(CameraSign(f"c{batch}-{n}", at, 1) for n in range(MAX_CAMERAS - 1)))
        with stored.database.writing() as connection:
            note_signs(connection, "ridge", replace(STATE, sent_at=at, cameras=new), at)
    with stored.database.reading() as connection:
        known = signs_of(connection, "ridge")
    assert len(known) <= MOST_CAMERAS + MAX_CAMERAS and known["cam1"].last_at == NOW + timedelta(hours=7)


def test_a_deployed_camera_without_a_sign_of_life_is_unknown(hub):
    """The hub worked, but nothing shows that this camera did."""
    told_since(hub, 3, cam2=0)
    night = date(2026, 11, 22)
    assert ["spring", "ridge/cam1", "2026-11-22", "unknown", "1"] in table(hub, "nights", night, night)


def test_a_cameras_night_is_one_line_before_the_history_begins(hub):
    """A station that never listened has no hourly history; the camera's own deployment precedes its hub's too."""
    with hub.database.writing() as connection:
        note_signs(connection, "ridge", replace(STATE, sent_at=NOW, cameras=(CameraSign("cam1", NOW, 1),)), NOW)
    night = date(2026, 11, 22)
    rows = [row[:4] for row in table(hub, "nights", night, night) if row[1] == "ridge/cam1"]
    assert rows == [["spring", "ridge/cam1", "2026-11-22", "unknown"]]


def test_a_cameras_own_deployment_precedes_the_hubs(hub, tmp_path):
    """A camera that stood by the spring until the 20th is at the hub's place from then on."""
    ended = DEPLOYMENTS.replace("73.1,2026-01-01T00:00:00Z,,", "73.1,2026-01-01T00:00:00Z,2026-11-20T20:00:00Z,")
    (tmp_path / "places.csv").write_text(ended)
    read_deployments(tmp_path / "places.csv", hub.database)
    told_since(hub, 8, cam1=0)
    rows = table(hub, "nights", date(2026, 11, 17), date(2026, 11, 22))
    assert [row[0] for row in sorted(rows, key=lambda row: row[2]) if row[1] == "ridge/cam1"] == [
        *["spring"] * 3, *["hub"] * 3
    ]  # fmt: skip


def test_a_trap_that_becomes_a_hub_keeps_its_own_nights_until_then(hub):
    """Its own sequences are from these nights; later only its cameras have nights."""
    told_since(hub, 8)
    told_since(hub, 4, cam1=0)
    rows = [row[2] for row in table(hub, "nights", date(2026, 11, 15), date(2026, 11, 22)) if row[1] == "ridge"]
    assert rows == [f"2026-11-{day}" for day in range(15, 19)]


def test_each_camera_has_counts_by_week_and_hour(hub):
    """The hub's counts are those of all its cameras, by name."""
    with hub.database.reading() as connection:
        assert count_sightings(connection, SINCE, UTC).by_trap == {"ridge/cam1": 1, "ridge/cam2": 1, "ridge": 1}
        assert count_sightings(connection, SINCE, UTC, "ridge").by_trap.total() == 3
        assert count_sightings(connection, SINCE, UTC, "ridge/cam1").by_trap == {"ridge/cam1": 1}
        assert count_sightings(connection, SINCE, UTC, "rid").by_trap.total() == 0


class Told:
    """The alerts that a channel got."""

    def __init__(self, hub, **settings) -> None:
        configured = CollectorSettings(data=str(hub.root), station="Base", alerts=AlertSettings(**settings))
        self.alerts, self.said = Alerts(configured, hub.database), []
        self.alerts.channels = [Channel("mail", lambda subject, content: self.said.append((subject, content)))]


def test_alerts_name_the_camera_and_limit_each_by_itself(hub, make_sequence, make_jpeg):
    """One alert per hour and camera: endless sightings of one camera do not delay another's alert."""
    again = make_sequence(id="s9", camera="cam1", pictures=[make_jpeg(8)], started_at=NOW - timedelta(hours=1))
    hub.commit(*again.messages())
    told = Told(hub, per_hour=1)
    told.alerts.send_due(NOW - timedelta(hours=1))
    assert [subject.rpartition(" ")[2] for subject, _ in told.said] == ["ridge/cam1/s9", "ridge/cam2/s1", "ridge/s2"]
    assert [content.get("camera") for _, content in told.said] == ["cam1", "cam2", None]
    told.alerts.send_due(NOW - timedelta(minutes=30))
    assert len(told.said) == 3


@pytest.mark.parametrize(("traps", "ids"), [(("ridge/cam2",), {"s1"}), (("ridge",), {"s0", "s1", "s2"})])
def test_a_rule_selects_a_camera_or_its_whole_hub(hub, traps, ids):
    """With `traps` of `[[alerts.rules]]`."""
    told = Told(hub, rules=(AlertRule(traps=traps),))
    told.alerts.send_due(NOW)
    assert {content["sequence"] for _, content in told.said} == ids


def test_the_digest_counts_each_camera(hub):
    """By the same name as in deployments and tables."""
    told = Told(hub, per_hour=1)
    told.alerts.send_due(NOW + timedelta(hours=6))
    assert [content["sightings"] for _, content in told.said if content["kind"] == "digest"] == [
        {"ridge": 1, "ridge/cam1": 1, "ridge/cam2": 1}
    ]


def test_metrics_name_a_silent_camera(stored):
    """Only its name, because /metrics needs no login."""
    signs = (CameraSign("cam1", STATE.sent_at - timedelta(days=8), 3),)
    told = RawMessage(Topics("ridge").state, encode(replace(STATE, cameras=signs)))
    stored.commit(told, now=datetime.now(UTC))
    told = exposition(stored.database, None).decode()
    assert 'uncia_trap_overdue{trap="ridge/cam1"} 1.0' in told
    assert told.count("ridge/cam1") == 1


@pytest.mark.parametrize(("deployment", "moved"), [("d1", {"s0", "later"}), ("d0", {"s1", "s2"})])
def test_a_wrong_clock_is_corrected_for_the_cameras_of_a_deployment(hub, make_sequence, make_jpeg, deployment, moved):
    """A camera's own deployment moves its sequences, also later ones; the hub's deployment moves the others."""
    done = shift_clock(hub.database, deployment, timedelta(hours=2))
    hub.commit(*make_sequence(id="later", camera="cam1", pictures=[make_jpeg(9)], started_at=NOW).messages())
    assert done.belong == done.moved == len(moved - {"later"})
    with hub.database.reading() as connection:
        shifted = select(sequences.c.id).where(sequences.c.clock_shift_s == 7200)
        assert set(connection.execute(shifted).scalars()) == moved


def test_a_clock_is_corrected_by_one_picture_of_a_camera(hub):
    """With the camera's own deployment."""
    done = shift_by_picture(hub.database, "d1", "s0", NOW)
    assert (done.shift, done.moved) == (timedelta(hours=3), 1)
    remove_deployment(hub.database, "d1")
    with hub.database.reading() as connection:
        assert set(connection.execute(select(sequences.c.clock_shift_s)).scalars()) == {0.0}


def test_the_miss_rate_is_by_the_cameras_place(stored, hub, make_sequence, make_jpeg):
    """An audit of a camera counts at that camera's place."""
    audit = make_sequence(id="a1", camera="cam1", audit=True, positive=False, score=0.1, pictures=[make_jpeg(9)])
    stored.commit(*audit.messages())
    with stored.database.reading() as connection:
        assert {rate.site for rate in miss_rates(connection) if rate.site} == {"spring"}


def test_pages_name_and_filter_by_camera(as_role, stored, make_sequence, make_jpeg):
    """The card, the sequence's page, and the filter to which the map and the traps' page link."""
    stored.commit(*make_sequence(id="c1", camera="cam1", pictures=[make_jpeg(4)]).messages())
    page = as_role("viewer")
    found = page.get("/?trap=ridge/cam1").text
    assert found.count('class="card"') == 1
    assert "<strong>ridge/<wbr>cam1</strong>" in found
    assert "<h1>ridge/cam1 " in page.get("/sequences/ridge/c1").text


@pytest.mark.parametrize("page", ["/", "/activity"])
def test_pages_offer_each_camera_in_their_lists(as_role, stored, make_sequence, make_jpeg, page):
    """Beside its hub."""
    stored.commit(*make_sequence(id="c1", camera="cam1", pictures=[make_jpeg(4)]).messages())
    told_since(stored, 1, cam1=0)
    text = as_role("viewer").get(f"{page}?trap=ridge/cam1").text
    assert ">ridge</option>" in text
    assert "<option selected>ridge/cam1</option>" in text


def test_lists_have_each_camera_after_its_hub(stored, make_sequence):
    """Also before a trap whose name begins with the hub's."""
    for trap in ("ridge", "ridge-2"):
        stored.commit(*make_sequence(trap=trap).messages())
    told_since(stored, 1, cam1=0)
    with stored.database.reading() as connection:
        assert trap_names(connection, "ridge/cam0") == ["ridge", "ridge/cam0", "ridge/cam1", "ridge-2"]


@pytest.mark.parametrize(("days", "overdue"), [(6, False), (8, True)])
def test_a_silent_camera_of_a_working_hub_is_overdue(stored, days, overdue):
    """#5: by the trap's clock up to its state, by the station's since then; a wrong year does not matter."""
    signs = (CameraSign("cam1", STATE.sent_at - timedelta(days=days), 3),)
    stored.commit(RawMessage(Topics("ridge").state, encode(replace(STATE, cameras=signs))), now=NOW)
    with stored.database.reading() as connection:
        row = connection.execute(select(traps)).one()
    assert camera_silences(row, decode(row.state, TrapState), NOW)["cam1"].is_overdue is overdue
