"""The link and delivery with a real Mosquitto."""

import gc
import hashlib
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.client as mqtt
import pytest
from paho.mqtt import publish
from paho.mqtt.enums import CallbackAPIVersion
from tests.conftest import Mosquitto

from support.fake_collector import BrokerCollector
from support.records import make_record, write_frames
from uncia_contract.errors import BrokerError, ConfigurationError
from uncia_contract.messages.tls import Tls
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.link import Acknowledged, Broker, Connected, Disconnected, Event, Link, MqttMessage, Received
from uncia_edge.delivery.link_state import BackOff, Pace
from uncia_edge.delivery.sender import Delivery
from uncia_edge.outbox.store import Outbox

TOPICS = Topics("ridge-01")
QUICK = Pace(receipt_timeout_s=0.3, retry_first_s=0.02, retry_most_s=0.1)


def wait_until(condition: Callable[[], bool], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {within_s} s"
        time.sleep(0.005)


def next_event(link: Link) -> Event:
    return link.events.get(timeout=10)


@pytest.fixture
def link(mosquitto: Any) -> Iterator[Link]:
    link = Link(Broker(mosquitto.host, mosquitto.port), TOPICS)
    yield link
    link.close()


def fill(outbox: Outbox, folder: Path, sequences: list[str], size: int = 50_000) -> None:
    for number, sequence in enumerate(sequences):
        contents = [bytes([number % 250, n]) * (size // 2) for n in range(3)]
        outbox.add(make_record(sequence, contents), write_frames(folder / "spool" / sequence, contents))


def test_a_connection_gives_the_brokers_limits(link: Link) -> None:
    """They are properties of CONNACK, which paho itself ignores."""
    link.open()
    event = next_event(link)
    assert isinstance(event, Connected)
    assert event.receive_maximum >= 1


def test_an_absent_broker_is_an_event_and_no_exception() -> None:
    """Nothing listens on the port."""
    link = Link(Broker("127.0.0.1", 1), TOPICS)
    link.open()
    event = next_event(link)
    assert isinstance(event, Disconnected)
    assert event.reason == "127.0.0.1:1: Connection refused"


def test_an_unknown_host_is_named() -> None:
    """After a typing error in [broker] host."""
    link = Link(Broker("base.invalid", 1883), TOPICS)
    link.open()
    event = next_event(link)
    assert isinstance(event, Disconnected)
    assert event.reason.startswith("base.invalid:1883: ")


def test_publishing_without_a_connection_is_refused(link: Link) -> None:
    """Nothing is queued in paho's memory."""
    with pytest.raises(BrokerError, match="not connected"):
        link.publish(MqttMessage(TOPICS.state, b"{}"))


def test_a_puback_carries_the_brokers_reason(link: Link) -> None:
    """0x10: the broker accepted the message, but nobody is subscribed."""
    link.open()
    assert isinstance(next_event(link), Connected)
    mid = link.publish(MqttMessage(TOPICS.record("s1"), b"{}"))
    assert next_event(link) == Acknowledged(mid, 0x10)


def test_a_killed_broker_is_an_event(link: Link, mosquitto: Any) -> None:
    """The network thread gives a last event, however it ends."""
    link.open()
    assert isinstance(next_event(link), Connected)
    mosquitto.kill()
    assert isinstance(next_event(link), Disconnected)


def test_missing_tls_files_are_one_clear_line(tmp_path: Path) -> None:
    """They are named before the first attempt to connect."""
    with pytest.raises(ConfigurationError, match=r"ca\.pem"):
        Link(Broker("127.0.0.1", tls=Tls(tmp_path / "ca.pem")), TOPICS)


def test_back_off_grows_has_a_ceiling_and_differs_between_traps() -> None:
    """They double up to the longest wait, and a part of each is random."""
    one, two = BackOff(1, 60), BackOff(1, 60)
    waits = [one.wait_s() for _ in range(12)]
    assert max(waits) <= 60
    assert waits[0] <= 1 < waits[5]
    assert waits != [two.wait_s() for _ in range(12)]


def test_sequences_are_delivered_through_a_real_broker(mosquitto: Any, tmp_path: Path) -> None:
    """Every byte arrives, and every sequence leaves the outbox."""
    outbox = Outbox(tmp_path / "outbox")
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    delivery = Delivery(outbox, Link(Broker(mosquitto.host, mosquitto.port), TOPICS), TOPICS, pace=QUICK)
    delivery.start()
    fill(outbox, tmp_path, [f"s{n}" for n in range(10)])
    wait_until(lambda: not outbox.queries.waiting())
    delivery.stop()
    collector.stop()
    assert len(collector.store.frames) == 30


def test_starting_offline_delivers_when_the_broker_comes(mosquitto: Any, tmp_path: Path) -> None:
    """The trap starts before the base station."""
    mosquitto.stop()
    outbox = Outbox(tmp_path / "outbox")
    fill(outbox, tmp_path, ["s1"])
    delivery = Delivery(outbox, Link(Broker(mosquitto.host, mosquitto.port), TOPICS), TOPICS, pace=QUICK)
    delivery.start()
    mosquitto.start()
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    wait_until(lambda: outbox.queries.is_delivered("s1"))
    delivery.stop()
    collector.stop()


def test_the_last_will_says_offline(mosquitto: Any) -> None:
    """After a broken connection the broker publishes a retained `offline`."""
    trap = Link(Broker(mosquitto.host, mosquitto.port), TOPICS)
    trap.open()
    assert isinstance(next_event(trap), Connected)
    connection = trap._connection
    assert connection is not None
    sock = connection.client.socket()
    assert sock is not None
    sock.shutdown(2)  # type: ignore[union-attr]
    assert isinstance(next_event(trap), Disconnected)
    assert retained(mosquitto, TOPICS.availability) == b"offline"


def test_a_planned_end_publishes_sleeping_instead(mosquitto: Any) -> None:
    """It is published before the connection is closed normally."""
    trap = Link(Broker(mosquitto.host, mosquitto.port), TOPICS)
    trap.open()
    assert isinstance(next_event(trap), Connected)
    trap.close("sleeping")
    assert retained(mosquitto, TOPICS.availability) == b"sleeping"


def retained(mosquitto: Any, topic: str) -> bytes:
    import paho.mqtt.subscribe as subscribe
    from paho.mqtt.client import MQTTv5

    message = subscribe.simple(topic, qos=1, hostname=mosquitto.host, port=mosquitto.port, protocol=MQTTv5)
    return bytes(message.payload)


def test_a_chunk_names_its_frame_and_offset(mosquitto: Mosquitto, sender: Any) -> None:
    """Sequence, frame and offset are in its topic; sha256 and size of the whole frame are user properties."""
    seen: dict[str, tuple[int, dict[str, str]]] = {}

    def note(_: Any, __: Any, message: Any) -> None:
        seen[message.topic] = len(message.payload), dict(getattr(message.properties, "UserProperty", ()))

    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    listener = mqtt.Client(CallbackAPIVersion.VERSION2, "listener", protocol=mqtt.MQTTv5)
    listener.on_message, ready = note, threading.Event()
    listener.on_subscribe = lambda *_: ready.set()
    listener.connect(mosquitto.host, mosquitto.port)
    listener.subscribe(f"{TOPICS.base}/sequence/+/frame/#", qos=1)
    listener.loop_start()
    assert ready.wait(10) and collector.ready.wait(10)
    [sequence] = sender.add(1, size=40_000, frames=1)
    content = sender.outbox.frame_path(sequence, 0).read_bytes()
    sender.start(mosquitto.port)
    sender.wait()
    sender.wait(lambda: sum(size for size, _ in seen.values()) == len(content))
    offset = 0
    while offset < len(content):
        size, properties = seen[f"{TOPICS.base}/sequence/{sequence}/frame/0/{offset}"]
        assert size <= 64 * 1024
        assert properties == {"sha256": hashlib.sha256(content).hexdigest(), "size": str(len(content))}
        offset += size
    assert len(seen) >= 2
    listener.disconnect()
    listener.loop_stop()
    collector.stop()


def test_retained_commands_are_not_received(link: Link, mosquitto: Mosquitto) -> None:
    """A retained `restart` would end the trap at each connection; one that is sent now is received."""
    target: dict[str, Any] = {"hostname": mosquitto.host, "port": mosquitto.port, "protocol": mqtt.MQTTv5, "qos": 1}
    publish.single(TOPICS.command, b"old", retain=True, **target)
    link.open()
    assert isinstance(next_event(link), Connected)
    publish.single(TOPICS.command, b"new", **target)
    heard = next_event(link)
    assert isinstance(heard, Received)
    assert heard.payload == b"new"


def test_an_ended_connection_holds_no_file_open(mosquitto: Mosquitto) -> None:
    """Without a garbage collection: a link that reconnects for days must not reach the limit of 1,024 files."""
    link, open_files = Link(Broker(mosquitto.host, mosquitto.port), TOPICS), Path("/proc/self/fd")
    gc.disable()
    try:
        counts = []
        for _ in range(8):
            link.open()
            assert isinstance(next_event(link), Connected)
            mosquitto.kill()
            assert isinstance(next_event(link), Disconnected)
            counts.append(len(list(open_files.iterdir())))
            mosquitto.start()
    finally:
        gc.enable()
        link.close()
    assert max(counts) <= counts[0] + 3
