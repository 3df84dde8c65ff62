"""Bad input through a real broker and the real ingest: each kind is refused or quarantined, counted, and shown."""

import html
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from paho.mqtt.client import MQTTMessage
from starlette.testclient import TestClient
from tests.collector.conftest import SentSequence, jpeg
from tests.collector.ingest.test_subscriber import TrapClient
from tests.collector.sentences import english_in
from tests.conftest import MOSQUITTO, Mosquitto

from uncia_collector.catalogue.people import People
from uncia_collector.ingest.subscriber import Ingest
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, CollectorSettings
from uncia_collector.web.app import make_app
from uncia_contract.messages.records import encode

ROOT = "uncia/v1"
RECORD = encode(SentSequence(id="bad").record)
FIRST, OTHER = SentSequence(id="twice"), SentSequence(id="twice", pictures=[jpeg(7), jpeg(8)])
NO_JPEG = SentSequence(id="nojpeg", pictures=[b"MZ this is a program"])
BROKEN = SentSequence(id="broken", pictures=[jpeg(3)[:700]])


def _on_record_topic(payload: bytes) -> RawMessage:
    return RawMessage(f"{ROOT}/ridge/sequence/bad", payload)


def told(**changed: object) -> bytes:
    """A valid record with some fields changed."""
    return json.dumps(json.loads(RECORD) | changed).encode()


# name: (what is sent, what the page says of it)
BAD = {
    "malformed JSON": ([_on_record_topic(b"{not json")], "JSON is malformed"),
    "wrong schema": ([_on_record_topic(told(schema="uncia.sequence/9"))], "Invalid enum value"),
    "missing fields": ([RawMessage(f"{ROOT}/ridge/state", b"{}")], "Object missing required field"),
    "bad UTF-8": ([_on_record_topic(RECORD.replace(b"IMG_0000", b"IMG\xff\xfe"))], "t decode byte"),
    "a trap called ..": ([RawMessage(f"{ROOT}/../sequence/bad", RECORD)], "trap id &#39;..&#39;"),
    "a sequence called ..": ([RawMessage(f"{ROOT}/ridge/sequence/..", RECORD)], "sequence id &#39;..&#39;"),
    "../ in a record": ([_on_record_topic(told(id="../../etc/passwd"))], "$.id"),
    "# in a record": ([_on_record_topic(told(trap="#"))], "$.trap"),
    "+ in a record": ([_on_record_topic(told(event="+"))], "$.event"),
    "NUL in a record": ([_on_record_topic(told(label="a\0b"))], "NUL in the text"),
    "10 MB of string": ([_on_record_topic(told(label="x" * 10_000_000))], "expected at most 1048576"),
    "a name of 2,000 letters": ([_on_record_topic(told(label="x" * 2_000))], "length &lt;= 255"),
    "another's name": ([RawMessage(f"{ROOT}/valley/sequence/bad", RECORD)], "expected the same trap"),
    "a chunk without its hash": ([RawMessage(f"{ROOT}/ridge/sequence/x/frame/0/0", b"x")], "user property sha256"),
    "no JPEG": (NO_JPEG.messages(), "frame 0 of nojpeg: not a JPEG"),
    "half a JPEG": (BROKEN.messages(), "frame 0 of broken: not a JPEG"),
    "a conflicting hash": ([*FIRST.messages(), *OTHER.messages()], "a conflicting hash for one id"),
}  # fmt: skip


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def station(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Collector, TestClient]]:
    """A collector that got all the bad input and then a valid sequence; and a reviewer's browser."""
    if MOSQUITTO is None:
        pytest.skip("NO MOSQUITTO: install Debian's package `mosquitto`; bad input was not tested")
    folder = tmp_path_factory.mktemp("bad")
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgresql").new_catalogue()
    broker = Mosquitto(folder)
    broker.start()
    settings = CollectorSettings(
        data=str(folder / "data"), database=database, broker=BrokerSettings(port=broker.port), http=None,
        min_free_bytes=0,
    )  # fmt: skip
    collector = Collector(settings)
    collector.start()
    collector.wait_ready()
    trap = TrapClient(broker.host, broker.port)
    for messages, _ in BAD.values():
        trap.send(*messages)
    trap.send(*SentSequence(id="sound").messages())
    while trap.await_complete().sequence != "sound":
        pass
    trap.close()
    People(collector.database).set_user("r", "snow and rocks", "reviewer", datetime.now(UTC))
    page = TestClient(make_app(settings, collector.database, collector.ingest))
    page.post("/login", data={"name": "r", "password": "snow and rocks"})
    yield collector, page
    collector.stop()
    broker.stop()


@pytest.mark.parametrize(("_wires", "said"), BAD.values(), ids=BAD)
def test_each_kind_is_quarantined_and_on_the_page(station, _wires, said):
    """The page names the reason; the collector has stored the valid sequence."""
    assert said in station[1].get("/quarantine").text


def test_each_reason_and_count_is_told_in_russian(station):
    """No English is left, except in values, which are quoted or in code."""
    collector, page = station
    People(collector.database).set_language("r", "ru")
    text = html.unescape(page.get("/quarantine").text)
    People(collector.database).set_language("r", "")
    told = re.findall(r'<td class="long">(.*?)</td>|<th scope="row">(.*?)</th>', text)

    assert len(told) > len(BAD) and english_in("".join(told_part) for told_part in told) == []


def test_all_bad_input_is_counted(station):
    """On the page and in the metrics: garbage, conflicts, frames that are not a JPEG."""
    page, metrics = station[1].get("/quarantine").text, station[1].get("/metrics").text

    assert [f'<th scope="row">{name}</th><td>{count}</td>' in page for name, count in (
        ("messages that cannot be used", 14), ("messages that contradict a stored sequence", 3),
        ("frames that are no JPEG", 2),
    )] == [True] * 3  # fmt: skip
    assert 'uncia_events_total{kind="conflicts",trap="ridge"} 3.0' in metrics


def test_no_bad_frame_is_served_or_stored_among_the_frames(station):
    """Only complete JPEGs are under `frames/`; a quarantined frame gives 404, and its page says so."""
    collector, page = station
    root = Path(collector.settings.data)

    assert {path.name.partition(".")[0] for path in root.glob("frames/**/*.*")} == {"sound", "twice"}
    assert {path.name.partition(".")[0] for path in root.glob("quarantine/**/*.jpg")} == {"nojpeg", "broken"}
    codes = [page.get(f"/sequences/ridge/nojpeg/0{kind}.jpg").status_code for kind in ("", ".thumbnail", ".activation")]
    assert codes == [404] * 3 and "not a JPEG: kept in quarantine" in page.get("/sequences/ridge/nojpeg").text


def test_a_conflicting_record_does_not_change_the_stored_one(station):
    """The frames of the first record are there, byte for byte, and the page shows them."""
    page = station[1]
    served = [page.get(f"/sequences/ridge/twice/{n}.jpg").content for n in range(2)]

    assert served == FIRST.pictures


def test_topic_that_is_no_utf8_is_quarantined(station):
    """No known broker forwards it; if one does, it is quarantined like other garbage."""
    collector, page = station
    message = MQTTMessage(topic=b"uncia/v1/\xff/state")
    message.payload = b"x"
    collector.ingest._on_message(None, None, message)
    for _ in range(200):
        if "(not UTF-8)" in (text := page.get("/quarantine").text):
            break
    assert "(not UTF-8)" in text


def test_only_the_beginning_of_a_ten_megabyte_message_is_kept(station):
    """The whole size is shown; in memory and in the catalogue there is only the beginning."""
    collector, _ = station
    idle = Ingest(collector.settings.broker, ROOT, collector.store)
    message = MQTTMessage(topic=b"uncia/v1/ridge/state")
    message.payload = bytes(10_000_000)
    idle._on_message(None, None, message)
    with collector.database.reading() as connection:
        [(size, kept)] = connection.exec_driver_sql(
            "SELECT size, length(payload) FROM quarantine WHERE size > 10000000"
        ).all()
    assert size > 10_000_000 and kept == len(idle._arrived.get().payload) == 65_536
