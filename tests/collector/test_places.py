"""Nothing that leaves the station holds a trap's place unless an administrator asks; one test for each way out."""

import io
import json
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image
from starlette.testclient import TestClient
from tests.collector.conftest import LATITUDE, LONGITUDE, NAMED, tells_of
from tests.collector.station.test_alerts import Inbox, http_handler, smtp_handler, state_of
from tests.collector.web.test_page import PASSWORD, state_message

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.exports.strip_locations import strip_location
from uncia_collector.settings import AlertSettings, CollectorSettings
from uncia_collector.station.alerts import Alerts
from uncia_collector.station.home_assistant import announcement
from uncia_collector.web.app import make_app
from uncia_contract.errors import FrameError
from uncia_contract.messages.records import TrapState, decode, encode

NOW = datetime.now(UTC).replace(microsecond=0)


@pytest.fixture
def placed(stored, make_sequence, placed_jpeg, tmp_path):
    """A catalogue with the place in all sources: deployment, state, the picture's header."""
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,locationID,locationName,latitude,longitude,coordinateUncertainty,deploymentStart,deploymentEnd,"
        "cameraID,deploymentComments\n"
        f"d1,site1,{NAMED},{LATITUDE},{LONGITUDE},30,2026-01-01,,ridge,{NAMED} {LATITUDE}N\n"
    )
    read_deployments(table, stored.database)
    sequence = make_sequence(pictures=[placed_jpeg()], started_at=NOW - timedelta(hours=1))
    stored.commit(*sequence.messages(), state_message(), now=NOW)
    review(stored.database, ("ridge", sequence.id), "confirmed", "anara", NOW)
    return stored


def written(stored, kind: str, **asked) -> bytes:
    """All bytes of an export; of a zip, the names and contents of its members."""
    stream = io.BytesIO()
    with stored.database.reading() as connection:
        export(kind, Request(connection, "Station", stored.root, NOW, **asked), stream)
    if not zipfile.is_zipfile(stream):
        return stream.getvalue()
    package = zipfile.ZipFile(stream)
    return b"\n".join(part for name in package.namelist() for part in (name.encode(), package.read(name)))


@pytest.mark.parametrize("kind", KINDS)
def test_no_export_holds_the_place(placed, kind):
    """Camtrap DP, MegaDetector JSON, COCO, scores and training data."""
    content = written(placed, kind)

    assert tells_of(content) == [] and b"ridge" in content


def test_pictures_in_an_export_hold_no_place(placed):
    """Camtrap DP with pictures inside; the files in the data folder do not change."""
    before = placed.files()
    content = written(placed, "camtrap-dp", pictures=True)

    assert tells_of(content) == [] and b"\xff\xd8\xff" in content
    assert placed.files() == before and all(tells_of(picture) for picture in before.values())


def test_an_administrator_who_asks_gets_all(placed):
    """Exact coordinates, the place's name, and the pictures as the trap sent them."""
    content = written(placed, "camtrap-dp", exact=True, pictures=True)

    assert {"36.91", "73.04", "above the spring"} <= set(tells_of(content))
    assert next(iter(placed.files().values())) in content


@pytest.mark.parametrize("kind", ["webhook", "mail"])
@pytest.mark.parametrize("per_hour", [6, 0], ids=["sighting", "digest"])
def test_no_alert_holds_the_place(placed, kind, per_hour):
    """The bytes that a webhook and a mail server receive, for a sighting and for a digest."""
    inbox = Inbox(http_handler if kind == "webhook" else smtp_handler)
    where = (
        {"webhook": f"http://127.0.0.1:{inbox.port}/"}
        if kind == "webhook"
        else {"smtp_host": "127.0.0.1", "smtp_port": inbox.port, "mail_to": ("anara@example.org",)}
    )
    settings = AlertSettings(per_hour=per_hour, digest_hour=0, **where)
    alerts = Alerts(CollectorSettings(data=str(placed.root), alerts=settings), placed.database)
    sent = alerts.send_due(NOW + timedelta(days=1))
    inbox.server.shutdown()
    inbox.server.server_close()

    assert sent >= 1 and "ridge" in str(inbox.received) and tells_of(str(inbox.received).encode()) == []


def test_home_assistant_gets_no_place():
    """The messages hold no coordinates, even if the state does, and they do not name the state's topic."""
    placed_trap = msgspec.structs.replace(decode(state_of("ridge"), TrapState), latitude=LATITUDE, longitude=LONGITUDE)
    told = b"".join(payload for _, payload in announcement(placed_trap, "uncia/v1"))

    assert tells_of(encode(placed_trap)) and tells_of(told) == [] and b"uncia/v1/ridge/state" not in told


def test_lists_metrics_and_health_hold_no_place(placed):
    """`uncia-collect list --json`, /metrics and /health."""
    People(placed.database).set_user("v", PASSWORD, "viewer", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(placed.root)), placed.database))
    client.post("/login", data={"name": "v", "password": PASSWORD})
    told = [client.get(path).content for path in ("/metrics", "/health")]

    assert [tells_of(text) for text in (*told, json.dumps([*listing(placed.database)]).encode())] == [[]] * 3


def test_metrics_hold_no_sightings_of_single_traps(placed):
    """They are read without a login: sightings are counted for all traps together, only faults by trap."""
    text = TestClient(make_app(CollectorSettings(data=str(placed.root)), placed.database)).get("/metrics").text
    lines = [line for line in text.splitlines() if "ridge" in line]
    assert lines and all(line.startswith("uncia_trap_") or 'kind="states"' in line for line in lines)
    assert 'uncia_sightings{label="' in text


def test_a_download_holds_the_place_only_for_an_administrator_who_asks(placed):
    """`?exact=1` of a reviewer is ignored."""
    people, told = People(placed.database), {}
    for role in ("reviewer", "administrator"):
        people.set_user(role, PASSWORD, role, NOW)
        client = TestClient(make_app(CollectorSettings(data=str(placed.root)), placed.database))
        client.post("/login", data={"name": role, "password": PASSWORD})
        package = zipfile.ZipFile(io.BytesIO(client.get("/export/camtrap-dp?exact=1").content))
        told[role] = b"36.9123" in package.read("deployments.csv")

    assert told == {"reviewer": False, "administrator": True}


def test_pixels_and_time_are_kept_without_the_place(placed_jpeg):
    """The compressed data are the same bytes; camera, time and orientation stay in the header."""
    before, after = placed_jpeg(), strip_location(placed_jpeg())
    scan = before.index(b"\xff\xda")
    picture = Image.open(io.BytesIO(after))
    exif = picture.getexif()

    assert before[scan : before.index(b"\xff\xd9", scan) + 2] == after[after.index(b"\xff\xda") :]
    assert np.array_equal(np.asarray(picture), np.asarray(Image.open(io.BytesIO(before))))
    assert (exif[0x0110], exif[0x0112], exif.get_ifd(0x8769)[36867]) == ("CAM", 6, "2026:11:23 03:00:00")
    assert tells_of(after) == [] and tells_of(before)


@pytest.mark.parametrize(
    "how", [{"progressive": True}, {"exif": b"Exif\0\0broken"}, {"restart_marker_rows": 1}], ids=str
)
def test_any_form_of_jpeg_keeps_its_pixels(placed_jpeg, how):
    """Several scans, a broken EXIF block, restart marks."""
    before = placed_jpeg(**how)
    after = strip_location(before)

    assert tells_of(after) == []
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(after))), np.asarray(Image.open(io.BytesIO(before))))


PLANTED = b"36.9123 N 73.0456 E"


def segment(marker: int, content: bytes) -> bytes:
    return bytes((0xFF, marker)) + (len(content) + 2).to_bytes(2, "big") + content


@pytest.mark.parametrize(
    "planted",
    [
        segment(0xE0, b"JFXX\0\x10" + PLANTED),
        segment(0xE0, b"JFIF\0\1\1\0\0\1\0\1\7\1" + PLANTED + b"  "),
        segment(0xE0, PLANTED),
        segment(0xEE, PLANTED),
        segment(0xEE, b"Adobe\0\x64\0\0\0\0\1" + PLANTED),
    ],
    ids=["JFXX thumbnail", "JFIF thumbnail", "no JFIF", "no Adobe", "behind Adobe's mark"],
)
def test_jfif_and_adobe_segments_are_cut_to_their_standard_fields(make_jpeg, planted):
    """Such a segment may hold any bytes, such as a thumbnail; these do not leave the station."""
    before = make_jpeg()
    after = strip_location(before[:2] + planted + before[2:])

    assert PLANTED not in after
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(after))), np.asarray(Image.open(io.BytesIO(before))))


@pytest.mark.parametrize("tag", [0x010F, 0x0110, 0x0132, 0x9003, 0x9011, 0x9291], ids=hex)
def test_exif_texts_are_kept_only_in_the_form_of_their_tag(make_jpeg, tag):
    """Make, model, times, offsets and fractions: a place that is written there does not leave the station."""
    exif, text = Image.Exif(), "Above the spring, 36.9123 N 73.0456 E: " + "the ridge behind the upper pasture"
    (exif if tag < 0x9000 else exif.get_ifd(0x8769))[tag] = text
    buffer = io.BytesIO()
    Image.open(io.BytesIO(make_jpeg())).save(buffer, "JPEG", exif=exif)

    assert text.encode() in buffer.getvalue() and b"spring" not in strip_location(buffer.getvalue())


def test_a_truncated_picture_is_refused(placed_jpeg):
    """A picture whose end is missing is not exported in part."""
    whole = placed_jpeg()
    scan = whole.index(b"\xff\xda")

    with pytest.raises(FrameError, match="does not end"):
        strip_location(whole[: scan + 40])


@pytest.mark.heavy
def test_the_command_puts_pictures_into_a_package_that_imports_again(on_sqlite, make_sequence, placed_jpeg, tmp_path):
    """`export camtrap-dp --pictures`, then `import` elsewhere: the picture is stored there and holds no place."""
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
        f"d1,{LATITUDE},{LONGITUDE},2026-01-01,,ridge\n"
    )
    read_deployments(table, on_sqlite.database)
    on_sqlite.commit(*make_sequence(pictures=[placed_jpeg()]).messages())
    run = [sys.executable, "-m", "uncia_collector.cli.main"]
    out, second = tmp_path / "out.zip", tmp_path / "second"
    subprocess.run(
        [*run, "export", "camtrap-dp", "--pictures", "--data", str(on_sqlite.root), "--out", str(out)], check=True
    )
    done = subprocess.run([*run, "import", str(out), "--data", str(second)], check=True, capture_output=True, text=True)

    assert "1 media: 1 stored" in done.stdout
    [file] = Path(second).glob("frames/**/*.jpg")
    assert tells_of(file.read_bytes()) == []
