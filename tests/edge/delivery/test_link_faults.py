"""Faults of the network and the broker: no sequence is lost or stored twice, and the next message is still sent."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from support.fake_broker import HANG_UP, WITHHOLD, FakeBroker
from support.fake_collector import BrokerCollector
from support.proxy import Proxy
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.link import Broker, Connected, Disconnected, Link
from uncia_edge.delivery.link_state import Pace

pytestmark = pytest.mark.heavy

TOPICS = Topics("ridge-01")
# Timeouts of an hour for PUBACK and receipt, so that only other events can help.
PATIENT = Pace(receipt_timeout_s=3600, puback_timeout_s=3600, retry_first_s=0.02, retry_most_s=0.1)


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    broker = FakeBroker(TOPICS)
    yield broker
    broker.close()


def all_stored(broker: FakeBroker, ids: list[str]) -> bool:
    return all(broker.collector.complete(sequence) for sequence in ids)


def once(code: int, part: str) -> Any:
    """A broker's answer: `code` for the first message whose topic contains `part`, then 0."""
    done = threading.Event()

    def answer(topic: str, _: bytes) -> int:
        if part in topic and not done.is_set():
            done.set()
            return code
        return 0

    return answer


def test_cut_before_connack(broker: FakeBroker, sender: Any) -> None:
    """The broker closes the connection after CONNECT, and works later."""
    broker.script.connack = HANG_UP
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait(lambda: broker.connections >= 3)
    broker.script.connack = 0
    sender.wait()
    assert all_stored(broker, ids)


def test_a_connack_that_never_comes_does_not_block_for_ever(broker: FakeBroker, sender: Any) -> None:
    """The connection is ended after the keepalive and made again."""
    broker.script.connack = WITHHOLD
    sender.add()
    sender.start(broker.port, keepalive_s=1)
    sender.wait(lambda: broker.connections >= 2)
    broker.script.connack = 0
    sender.wait()


@pytest.mark.parametrize("cut_after", [1, 30, 400, 1500, 9000], ids=lambda n: f"after {n} bytes")
def test_cut_in_the_middle_of_a_packet(broker: FakeBroker, sender: Any, cut_after: int) -> None:
    """The connection breaks at a given byte three times, and then works."""
    proxy = Proxy(broker.port)
    proxy.cut_after = cut_after
    ids = sender.add(2, size=20_000)
    sender.start(proxy.port)
    sender.wait(lambda: proxy.connections >= 3)
    proxy.cut_after = None
    sender.wait()
    proxy.close()
    assert all_stored(broker, ids)


@pytest.mark.parametrize("part", ["/sequence/s0001", "/frame/0"], ids=["record", "chunk"])
def test_cut_after_publish_before_puback(broker: FakeBroker, sender: Any, part: str) -> None:
    """The broker has the message and ends before its PUBACK: it is sent again."""
    broker.script.answer = once(HANG_UP, part)
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait()
    assert all_stored(broker, ids)


def test_cut_after_puback_before_receipt(broker: FakeBroker, sender: Any) -> None:
    """The last receipt got lost: the record is sent again after the reconnect, and no frame is sent twice."""
    broker.script.answer = lambda topic, _: setattr(broker.script, "receipts", "/frame/" not in topic) or 0
    ids = sender.add()
    sender.start(broker.port, PATIENT)
    sender.wait(lambda: all_stored(broker, ids))
    assert sender.outbox.queries.waiting() == ids
    broker.cut()
    sender.wait()
    frames = [topic for topic in broker.published if "/frame/" in topic]
    assert len(frames) == len(set(frames)) == 2


@pytest.mark.parametrize("part", ["/sequence/s0001", "/frame/0"], ids=["record", "chunk"])
def test_a_puback_that_never_comes(broker: FakeBroker, sender: Any, part: str) -> None:
    """One message is never acknowledged: the connection is made again and the message is sent again."""
    broker.script.answer = once(WITHHOLD, part)
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait()
    assert all_stored(broker, ids)


def test_a_half_open_connection_is_found_by_the_keepalive(broker: FakeBroker, sender: Any) -> None:
    """The link is silent with both ends open: a new connection follows after about one and a half keepalives."""
    proxy = Proxy(broker.port)
    sender.start(proxy.port, PATIENT, keepalive_s=1)
    sender.wait(lambda: sender.delivery.connected)
    proxy.silent = True
    sender.add()
    sender.wait(lambda: proxy.connections >= 2)
    proxy.silent = False
    sender.wait()
    proxy.close()


def test_a_link_that_breaks_every_20_kb_still_delivers(broker: FakeBroker, sender: Any) -> None:
    """Forty cuts: chunks become smaller, arrived ranges are kept, and everything arrives."""
    proxy = Proxy(broker.port)
    proxy.cut_after = 20_000
    ids = sender.add(4, size=60_000)
    sender.start(proxy.port)
    sender.wait()
    assert proxy.connections > 4
    proxy.close()
    assert all_stored(broker, ids)
    assert sender.outbox.queries.parked() == {}


@pytest.mark.parametrize("waiting", [200, pytest.param(3000, marks=pytest.mark.faults)])
def test_days_offline_with_many_waiting(broker: FakeBroker, sender: Any, waiting: int) -> None:
    """When the link returns all are delivered, and all records are sent before the first frame."""
    ids = sender.add(waiting, size=10, frames=1)
    sender.start(broker.port)
    sender.wait(within_s=180)
    assert all_stored(broker, ids)
    first_frame = next(n for n, topic in enumerate(broker.published) if "/frame/" in topic)
    assert first_frame >= waiting


@pytest.mark.parametrize("code", [0x10, 0x80, 0x97], ids=hex)
def test_trouble_codes_are_retried(broker: FakeBroker, sender: Any, code: int) -> None:
    """No subscriber, unspecified, quota exceeded: delivered later, never parked."""
    troubled = threading.Event()
    broker.script.answer = lambda topic, _: 0 if troubled.is_set() or "/sequence/" not in topic else code
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait(lambda: len(broker.published) >= 3)
    troubled.set()
    sender.wait()
    assert all_stored(broker, ids)
    assert sender.outbox.counters().parked == 0


@pytest.mark.parametrize("code", [0x87, 0x99], ids=hex)
def test_refusals_park_and_the_next_one_goes(broker: FakeBroker, sender: Any, code: int) -> None:
    """Not authorised, bad format: one sequence is parked and the other delivered."""
    broker.script.answer = lambda topic, _: code if "/sequence/s0001" in topic else 0
    first, second = sender.add(2)
    sender.start(broker.port)
    sender.wait(lambda: sender.outbox.queries.is_delivered(second))
    assert list(sender.outbox.queries.parked()) == [first]


@pytest.mark.parametrize("code", [0x85, 0x86, 0x87, 0x88, 0x8A, 0x95], ids=hex)
def test_a_refused_connection_is_tried_again(broker: FakeBroker, sender: Any, code: int) -> None:
    """CONNACK with a reason code: the base station may be repaired later."""
    broker.script.connack = code
    sender.add()
    sender.start(broker.port)
    sender.wait(lambda: broker.connections >= 2)
    broker.script.connack = 0
    sender.wait()


def test_the_reason_of_a_refused_connection_is_given(broker: FakeBroker) -> None:
    """0x87 points to an access list and not to a bad cable."""
    broker.script.connack = 0x87
    link = Link(Broker("127.0.0.1", broker.port), TOPICS)
    link.open()
    event = link.events.get(timeout=5)
    assert isinstance(event, Disconnected)
    assert (event.code, event.reason) == (0x87, "Not authorized")
    link.close()


def test_a_trap_that_may_not_subscribe_to_receipts_does_not_send(broker: FakeBroker, sender: Any) -> None:
    """SUBACK with 0x87: it would send the same for ever. It connects again until the access list is corrected."""
    broker.script.suback = 0x87
    ids = sender.add()
    sender.start(broker.port)
    sender.wait(lambda: broker.connections >= 3)
    assert broker.published == []
    broker.script.suback = 1
    sender.wait()
    assert all_stored(broker, ids)


def test_a_small_receive_maximum_is_kept(broker: FakeBroker, sender: Any) -> None:
    """At most two unacknowledged: while no PUBACK comes, there is no third publish."""
    broker.script.receive_maximum = 2
    broker.script.answer = lambda *_: WITHHOLD
    sender.add(5)
    sender.start(broker.port)
    sender.wait(lambda: len(broker.published) >= 2)
    sender.delivery.step(0.2)
    assert len(broker.published) == 2


def test_a_small_maximum_packet_size_is_kept(broker: FakeBroker, sender: Any) -> None:
    """Frames are sent in chunks that fit."""
    broker.script.maximum_packet = 2000
    sizes: list[int] = []
    broker.script.answer = lambda topic, payload: sizes.append(len(payload)) or 0  # type: ignore[func-returns-value]
    ids = sender.add(1, size=30_000)
    sender.start(broker.port)
    sender.wait()
    assert max(sizes) < 2000
    assert all_stored(broker, ids)


def test_a_message_that_ends_the_connection_is_parked(broker: FakeBroker, sender: Any) -> None:
    """0x95 packet too large, each time it is sent: after five times it is parked and the others are delivered."""
    broker.script.farewell = 0x95
    broker.script.answer = lambda topic, _: HANG_UP if "/sequence/s0001" in topic else 0
    first, *others = sender.add(6)
    sender.start(broker.port)
    sender.wait(lambda: first in sender.outbox.queries.parked())
    sender.wait(lambda: sender.outbox.queries.waiting() == [first])
    assert all_stored(broker, others)


def test_takeover_of_the_client_id(broker: FakeBroker, sender: Any) -> None:
    """Another program with our id disconnects us again and again; the trap reconnects and delivers."""
    broker.script.answer = lambda topic, _: WITHHOLD if "/frame/" in topic else 0
    ids = sender.add()
    sender.start(broker.port)
    rival = Link(Broker("127.0.0.1", broker.port), TOPICS)
    for _ in range(3):
        before = broker.connections
        rival.open()
        sender.wait(lambda: broker.connections >= before + 2)  # noqa: B023
        rival.close()
    broker.script.answer = lambda *_: 0
    broker.cut()
    sender.wait()
    assert all_stored(broker, ids)


def test_takeover_on_a_real_broker(mosquitto: Any, sender: Any) -> None:
    """Mosquitto 2.0.11 closes the first connection without a reason; the trap reconnects and delivers."""
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    sender.start(mosquitto.port)
    sender.wait(lambda: sender.delivery.connected)
    rival = Link(Broker(mosquitto.host, mosquitto.port), TOPICS)
    rival.open()
    assert isinstance(rival.events.get(timeout=5), Connected)
    sender.add()
    sender.wait()
    collector.stop()
    rival.close()


@pytest.mark.parametrize("forgets", [False, True], ids=["with its persistence", "without its persistence"])
def test_a_broker_that_is_killed_loses_nothing(mosquitto: Any, sender: Any, forgets: bool) -> None:
    """It is killed again and again: messages that it acknowledged may be gone, and delivery does not rely on them."""
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    sender.start(mosquitto.port)
    ids: list[str] = []
    for _ in range(3):
        before = len(collector.store.frames)
        ids += sender.add(5, size=40_000)
        sender.wait(lambda: len(collector.store.frames) > before)  # noqa: B023
        mosquitto.kill()
        for file in mosquitto.folder.glob("*.db*") if forgets else ():
            file.unlink()
        mosquitto.start()
    sender.wait()
    collector.stop()
    assert all(collector.store.complete(sequence) for sequence in ids)


def test_an_access_list_that_denies_only_delays(start_mosquitto: Any, sender: Any) -> None:
    """Mosquitto answers 0x87 to one sequence: it is parked, the others are delivered, and it is later, when allowed."""
    broker = start_mosquitto()
    rules = broker.folder / "acl"
    rules.write_text(f"topic readwrite #\ntopic deny {TOPICS.record('s0001')}\n")
    rules.chmod(0o600)
    broker.stop()
    broker.configuration.write_text(broker.configuration.read_text() + f"acl_file {rules}\n")
    broker.start()
    collector = BrokerCollector(broker.host, broker.port, TOPICS)
    assert collector.ready.wait(10)
    first, *_ = sender.add(3)
    sender.start(broker.port, Pace(retry_first_s=0.02, retry_most_s=0.1, release_parked_s=0.5))
    sender.wait(lambda: sender.outbox.queries.waiting() == [first] and bool(sender.outbox.queries.parked()))
    rules.write_text("topic readwrite #\n")
    broker.stop()
    broker.start()
    sender.wait()
    collector.stop()


@pytest.mark.parametrize("limit", ["max_inflight_messages 1", "max_packet_size 3000"])
def test_the_limits_of_a_real_broker_are_kept(start_mosquitto: Any, sender: Any, limit: str) -> None:
    """Mosquitto gives them in CONNACK and disconnects a client that exceeds them: one connection is enough."""
    broker = start_mosquitto(limit)
    collector = BrokerCollector(broker.host, broker.port, TOPICS)
    assert collector.ready.wait(10)
    proxy = Proxy(broker.port)
    sender.add(3, size=20_000)
    sender.start(proxy.port)
    sender.wait()
    collector.stop()
    proxy.close()
    assert proxy.connections == 1


def test_a_chunk_takes_a_fraction_of_the_keepalive(mosquitto: Any, sender: Any) -> None:
    """At 5 KB/s a chunk of 16 KiB would take three keepalives of 1 s; with smaller ones, one connection is enough."""
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    proxy = Proxy(mosquitto.port, 5_000)
    sender.add(1, size=25_000, frames=1)
    sender.start(proxy.port, keepalive_s=1, pace=Pace(retry_first_s=0.05, receipt_timeout_s=5))
    sender.wait()
    assert proxy.connections == 1
    collector.stop()
    proxy.close()


def test_a_slow_link_with_a_short_keepalive_delivers(mosquitto: Any, sender: Any) -> None:
    """200 KB at 50 KB/s with a keepalive of 1 s: one publish would never arrive; chunks do."""
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    proxy = Proxy(mosquitto.port, 50_000)
    sender.add(1, size=100_000)
    sender.start(proxy.port, keepalive_s=1, pace=Pace(retry_first_s=0.05, receipt_timeout_s=2))
    sender.wait()
    assert proxy.connections <= 3
    collector.stop()
    proxy.close()
