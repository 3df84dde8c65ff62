"""Alerts, received on loopback: webhook, e-mail, Home Assistant."""

import http.server
import json
import queue
import socketserver
import threading
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion

from uncia_collector.runtime import Collector
from uncia_collector.settings import AlertSettings, BrokerSettings, CollectorSettings
from uncia_collector.station.alerts import Alerts
from uncia_collector.station.home_assistant import announcement
from uncia_contract.messages.records import BundleIdentity, Counters, TrapState, decode, encode

NOW = datetime(2026, 11, 23, 6, 30, tzinfo=UTC)  # before the hour of the digest


class Inbox:
    """A server that takes alerts, and the alerts that it got."""

    def __init__(self, handler) -> None:
        self.received: list = []
        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler(self.received))
        self.port = self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def http_handler(received):
    """Takes POSTed JSON."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_):
            """Log nothing."""

    return Handler


def smtp_handler(received, context=None):
    """A minimal mail server (RFC 5321); with a TLS context it requires STARTTLS and a login."""

    answers = {b"QUIT": b"221 bye", b"STARTTLS": b"220 go on", b"AUTH": b"235 welcome"}
    answers |= {b"EHLO": b"250-here\r\n250-STARTTLS\r\n250 AUTH PLAIN"} if context else {}

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            self.wfile.write(b"220 here\r\n")
            with suppress(OSError):  # a client that does not trust this server ends the connection
                self.talk()

        def talk(self):
            while line := self.rfile.readline():
                word = line.upper().split()[0]
                if word == b"DATA":
                    self.wfile.write(b"354 go on\r\n")
                    received.append(b"".join(iter(self.rfile.readline, b".\r\n")).decode())
                if word == b"AUTH":
                    received.append(line.decode())
                self.wfile.write(answers.get(word, b"250 ok") + b"\r\n")
                if word == b"STARTTLS":
                    self.request = context.wrap_socket(self.request, server_side=True)
                    self.setup()
                if word == b"QUIT":
                    return

    return Handler


@pytest.fixture(params=["webhook", "mail"])
def inbox(request):
    """A receiver (webhook or mail), and the settings for it."""
    inbox = Inbox(http_handler if request.param == "webhook" else smtp_handler)
    inbox.settings = (
        {"webhook": f"http://127.0.0.1:{inbox.port}/"}
        if request.param == "webhook"
        else {"smtp_host": "127.0.0.1", "smtp_port": inbox.port, "mail_to": ("anara@example.org",)}
    )
    yield inbox
    inbox.server.shutdown()
    inbox.server.server_close()


def alerts_of(stored, **settings) -> Alerts:
    """Alerts over a catalogue."""
    return Alerts(CollectorSettings(data=str(stored.root), alerts=AlertSettings(**settings)), stored.database)


def says(inbox, count: int) -> bool:
    """Whether the last message names that many sightings of the ridge."""
    return any(text in str(inbox.received[-1]) for text in (f"'ridge': {count}", f"sightings: ridge {count}"))


def test_a_sighting_is_sent_once(stored, sent, inbox):
    """#1: a complete positive sequence is sent once, however often `send_due` is called."""
    stored.commit(*sent.messages())
    alerts = alerts_of(stored, **inbox.settings)

    assert [alerts.send_due(NOW), alerts.send_due(NOW)] == [1, 0] and "snow_leopard" in str(inbox.received)


def test_an_animal_that_stays_is_one_alert(stored, make_sequence, inbox):
    """#1, #3: six sequences in two hours are one sighting, in the alert and in the digests of two days."""
    alerts = alerts_of(stored, **inbox.settings)
    for number in range(6):
        at = NOW - timedelta(hours=2) + timedelta(minutes=20 * number)
        stored.commit(*make_sequence(id=str(number), started_at=at).messages(), now=at)
        assert alerts.send_due(at) == (number == 0)
    assert alerts.send_due(NOW + timedelta(hours=1)) == 1 and says(inbox, 1)
    late = make_sequence(id="late", started_at=NOW - timedelta(minutes=5))
    stored.commit(*late.messages(), now=NOW + timedelta(hours=3))

    assert alerts.send_due(NOW + timedelta(days=1, hours=2)) == 0


def test_rejected_and_incomplete_sequences_are_not_sent(stored, sent, make_sequence, inbox):
    """#1: only complete positive sequences."""
    stored.commit(sent.record_message(), *make_sequence(id="2", positive=False).messages())

    assert alerts_of(stored, **inbox.settings).send_due(NOW) == 0


def test_a_busy_night_is_limited_and_in_the_digest(stored, make_sequence, inbox):
    """#2, #3: at most `per_hour` alerts; the digest has the number of sightings, once a day."""
    for number in range(5):
        stored.commit(*make_sequence(id=str(number), started_at=NOW - timedelta(hours=number)).messages())
    alerts = alerts_of(stored, per_hour=2, **inbox.settings)

    assert [alerts.send_due(NOW), alerts.send_due(NOW + timedelta(hours=1))] == [2, 3]
    assert says(inbox, 5)


def test_an_unreachable_receiver_is_tried_again(stored, sent, inbox):
    """No alert is lost while the webhook or mail server is down."""
    stored.commit(*sent.messages())
    dead = {"webhook": "http://127.0.0.1:1/"} if "webhook" in inbox.settings else inbox.settings | {"smtp_port": 1}
    assert alerts_of(stored, **dead).send_due(NOW) == 0

    assert alerts_of(stored, **inbox.settings).send_due(NOW) == 1


def test_a_channel_that_fails_does_not_affect_others(stored, make_sequence, inbox, monkeypatch):
    """#4: the other channel still sends; the failing one is tried once per round, not once per sighting."""
    tried = []
    both = {
        "webhook": "http://127.0.0.1/",
        "smtp_host": "127.0.0.1",
        "mail_to": ("anara@example.org",),
    } | inbox.settings
    broken = "_mail" if "webhook" in inbox.settings else "_post"
    monkeypatch.setattr(f"uncia_collector.station.alert_channels.{broken}", lambda *_: tried.append(1) or 1 / 0)
    for number in range(3):
        stored.commit(*make_sequence(id=str(number), started_at=NOW - timedelta(hours=number)).messages())

    assert alerts_of(stored, **both).send_due(NOW) == 3 and len(inbox.received) == 3 and len(tried) == 1


def test_digests_count_each_sighting_exactly_once(stored, make_sequence, inbox):
    """#3: a digest begins where the one before ended, also after a pause; later sightings are in the next one."""
    alerts, hour = alerts_of(stored, per_hour=0, **inbox.settings), timedelta(hours=1)
    stored.commit(*make_sequence(id="1").messages(), now=NOW)
    assert alerts.send_due(NOW + hour) == 1
    stored.commit(*make_sequence(id="2", started_at=NOW).messages(), now=NOW + 2 * hour)
    assert alerts.send_due(NOW + 3 * hour) == 0
    for days, number in ((1, "3"), (3, "4")):
        at = NOW + timedelta(days=days)
        stored.commit(*make_sequence(id=number, started_at=at).messages(), now=at)

    assert alerts.send_due(NOW + timedelta(days=3, hours=12)) == 1 and says(inbox, 3)


def test_everything_is_off_by_default(stored, sent):
    """Without configuration nothing is sent: no alerts and no discovery messages."""
    stored.commit(*sent.messages())
    collector = Collector(CollectorSettings(data=str(stored.root), http=None))

    assert collector.alerts.channels == [] and collector.ingest.announce is None
    assert alerts_of(stored).send_due(NOW + timedelta(hours=3)) == 0
    collector.database.close()


def test_a_digest_is_sent_once_a_day_if_there_were_sightings(stored, sent, inbox):
    """#3: after its hour, with the number of sightings by trap; none for a day without sightings."""
    alerts = alerts_of(stored, per_hour=0, **inbox.settings)
    assert alerts.send_due(NOW + timedelta(hours=1)) == 0
    stored.commit(*sent.messages())

    assert [alerts.send_due(NOW + timedelta(minutes=minutes)) for minutes in (0, 31, 32, 24 * 60 - 60)] == [0, 1, 0, 0]
    assert "digest" in str(inbox.received) and says(inbox, 1)
    stored.commit(*replace(sent, id="2", started_at=NOW).messages(), now=NOW + timedelta(hours=20))
    assert alerts.send_due(NOW + timedelta(days=1, hours=1)) == 1


def test_home_assistant_gets_retained_messages_from_the_broker(mosquitto, tmp_path, sent):
    """The trap's description on the discovery topic, its values on a topic beside it."""
    settings = CollectorSettings(
        data=str(tmp_path / "data"), broker=BrokerSettings(port=mosquitto.port), http=None, min_free_bytes=0,
        alerts=AlertSettings(home_assistant=True),
    )  # fmt: skip
    collector = Collector(settings)
    collector.start()
    collector.wait_ready()
    home, announced = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv5), queue.Queue()
    home.on_message = lambda _c, _d, message: announced.put((message.topic, json.loads(message.payload)))
    home.connect("127.0.0.1", mosquitto.port)
    home.publish("uncia/v1/ridge/state", state_of("ridge"), qos=1)
    home.subscribe("homeassistant/#", qos=1)
    home.loop_start()

    told = dict(announced.get(timeout=60) for _ in range(2))
    collector.stop()
    home.disconnect()
    home.loop_stop()
    device = "homeassistant/device/uncia_ridge"
    assert told[f"{device}/config"]["device"]["identifiers"] == ["uncia_ridge"]
    assert told[f"{device}/state"] == {"waiting": 0, "battery": None, "bundle": "b 1", "positives": 0}


def state_of(trap: str) -> bytes:
    """A trap's state."""
    state = TrapState(
        trap=trap, bundle=BundleIdentity("b", 1, "0" * 64), runtime="r", delegate="cpu", software="s", boot_id="b",
        uptime_s=1, sent_at=NOW, clock_synchronised=True, disk_free_bytes=1, outbox_sequences=0, outbox_bytes=0,
        outbox_age_s=0, counters=Counters(),
    )  # fmt: skip
    return encode(state)


def test_the_discovery_message_has_what_home_assistant_requires():
    """A device with identifiers, an origin with a name, components with platform and unique_id, values in the state."""
    (topic, payload), (state_topic, state) = announcement(decode(state_of("ridge"), TrapState), "uncia/v1")
    told, components = json.loads(payload), json.loads(payload)["components"]

    assert topic == "homeassistant/device/uncia_ridge/config"
    assert told["device"]["identifiers"] and told["origin"]["name"]
    assert all({"platform", "unique_id"} <= set(component) for component in components.values())
    assert components.pop("sighting")["state_topic"] == "homeassistant/device/uncia_ridge/sighting"
    assert {component["state_topic"] for component in components.values()} == {state_topic}
    assert {f"{{{{ value_json.{key} }}}}" for key in json.loads(state)} == {
        c["value_template"] for c in components.values()
    }
