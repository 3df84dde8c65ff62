"""What goes wrong on the wire: nothing is lost, nothing is doubled, and the next message still goes."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from uncia_contract.topics import Topics
from uncia_edge.link import Broker, Connected, Disconnected, Link
from uncia_edge.pace import Pace
from uncia_edge.testing.broker import HANG_UP, WITHHOLD, FakeBroker
from uncia_edge.testing.collector import BrokerCollector
from uncia_edge.testing.proxy import Proxy

TOPICS = Topics("ridge-01")


@pytest.fixture
def broker() -> Iterator[FakeBroker]:
    broker = FakeBroker(TOPICS)
    yield broker
    broker.close()


def all_stored(broker: FakeBroker, ids: list[str]) -> bool:
    return all(broker.collector.complete(sequence) for sequence in ids)


def once(code: int, part: str) -> Any:
    """An answer that misbehaves for the first message whose topic contains `part`."""
    done = threading.Event()

    def answer(topic: str, _: bytes) -> int:
        if part in topic and not done.is_set():
            done.set()
            return code
        return 0

    return answer


def test_cut_before_connack(broker: FakeBroker, sender: Any) -> None:
    """The broker hangs up on CONNECT, then recovers."""
    broker.script.connack = HANG_UP
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait(lambda: broker.connections >= 3)
    broker.script.connack = 0
    sender.wait()
    assert all_stored(broker, ids)


def test_a_connack_that_never_comes_does_not_block_for_ever(broker: FakeBroker, sender: Any) -> None:
    """The connection is given up after the keepalive and made again."""
    broker.script.connack = WITHHOLD
    sender.add()
    sender.start(broker.port, keepalive_s=1)
    sender.wait(lambda: broker.connections >= 2)
    broker.script.connack = 0
    sender.wait()


@pytest.mark.parametrize("cut_after", [1, 30, 400, 1500, 9000], ids=lambda n: f"after {n} bytes")
def test_cut_in_the_middle_of_a_packet(broker: FakeBroker, sender: Any, cut_after: int) -> None:
    """A connection that breaks at a given byte, three times, then holds."""
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
    """The broker has it and dies before it says so: it is sent again."""
    broker.script.answer = once(HANG_UP, part)
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait()
    assert all_stored(broker, ids)


def test_cut_after_puback_before_receipt(broker: FakeBroker, sender: Any) -> None:
    """Everything was acknowledged, no receipt arrived: the record asks after the reconnect, no frame is sent twice."""
    broker.script.receipts = False
    sender.add()
    sender.start(broker.port)
    sender.wait(lambda: bool(broker.published[1:]))
    broker.script.receipts = True
    broker.cut()
    sender.wait()
    frames = [topic for topic in broker.published if "/frame/" in topic]
    assert len(frames) == len(set(frames))


@pytest.mark.parametrize("part", ["/sequence/s0001", "/frame/0"], ids=["record", "chunk"])
def test_a_puback_that_never_comes(broker: FakeBroker, sender: Any, part: str) -> None:
    """Everything else is acknowledged, this one never: the connection is made anew and it is sent again."""
    broker.script.answer = once(WITHHOLD, part)
    ids = sender.add(2)
    sender.start(broker.port)
    sender.wait()
    assert all_stored(broker, ids)


def test_half_open_is_noticed_by_the_keepalive(broker: FakeBroker, sender: Any) -> None:
    """The link goes silent with both ends open: a new connection after about one and a half keepalives."""
    proxy = Proxy(broker.port)
    sender.start(proxy.port, keepalive_s=1)
    sender.wait(lambda: sender.delivery.connected)
    proxy.silent = True
    sender.add()
    sender.wait(lambda: proxy.connections >= 2)
    proxy.silent = False
    sender.wait()
    proxy.close()


def test_a_flapping_link_still_delivers(broker: FakeBroker, sender: Any) -> None:
    """Forty cuts, one every 20 KB: chunks shrink, ranges are kept, everything arrives."""
    proxy = Proxy(broker.port)
    proxy.cut_after = 20_000
    ids = sender.add(4, size=60_000)
    sender.start(proxy.port)
    sender.wait()
    assert proxy.connections > 4
    proxy.close()
    assert all_stored(broker, ids)
    assert sender.outbox.parked() == {}


@pytest.mark.parametrize("waiting", [200, pytest.param(3000, marks=pytest.mark.faults)])
def test_days_offline_with_many_waiting(broker: FakeBroker, sender: Any, waiting: int) -> None:
    """When the link returns all are delivered; the records of all went before the first frame."""
    ids = sender.add(waiting, size=10, frames=1)
    sender.start(broker.port)
    sender.wait(within_s=180)
    assert all_stored(broker, ids)
    first_frame = next(n for n, topic in enumerate(broker.published) if "/frame/" in topic)
    assert first_frame >= waiting


@pytest.mark.parametrize("code", [0x10, 0x80, 0x97], ids=hex)
def test_trouble_codes_are_retried(broker: FakeBroker, sender: Any, code: int) -> None:
    """Nobody listens, unspecified, quota: delivered later, never parked."""
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
    """Not authorised, bad format: one sequence is set aside, the other delivered."""
    broker.script.answer = lambda topic, _: code if "/sequence/s0001" in topic else 0
    first, second = sender.add(2)
    sender.start(broker.port)
    sender.wait(lambda: sender.outbox.is_delivered(second))
    assert list(sender.outbox.parked()) == [first]


@pytest.mark.parametrize("code", [0x85, 0x86, 0x87, 0x88, 0x8A, 0x95], ids=hex)
def test_a_refused_connection_is_tried_again(broker: FakeBroker, sender: Any, code: int) -> None:
    """CONNACK with a reason code: the base station will be mended one day."""
    broker.script.connack = code
    sender.add()
    sender.start(broker.port)
    sender.wait(lambda: broker.connections >= 2)
    broker.script.connack = 0
    sender.wait()


def test_the_reason_of_a_refused_connection_is_told(broker: FakeBroker) -> None:
    """The log says why: 0x87 is an access list, not a bad cable."""
    broker.script.connack = 0x87
    link = Link(Broker("127.0.0.1", broker.port), TOPICS)
    link.open()
    event = link.events.get(timeout=5)
    assert isinstance(event, Disconnected)
    assert (event.code, event.reason) == (0x87, "Not authorized")
    link.close()


def test_a_small_receive_maximum_is_kept(broker: FakeBroker, sender: Any) -> None:
    """Two unacknowledged at most, with everything withheld: a third publish never comes."""
    broker.script.receive_maximum = 2
    broker.script.answer = lambda *_: WITHHOLD
    sender.add(5)
    sender.start(broker.port)
    sender.wait(lambda: len(broker.published) >= 2)
    sender.delivery.step(0.2)
    assert len(broker.published) == 2


def test_a_small_maximum_packet_size_is_kept(broker: FakeBroker, sender: Any) -> None:
    """Frames go in pieces that fit."""
    broker.script.maximum_packet = 2000
    sizes: list[int] = []
    broker.script.answer = lambda topic, payload: sizes.append(len(payload)) or 0  # type: ignore[func-returns-value]
    ids = sender.add(1, size=30_000)
    sender.start(broker.port)
    sender.wait()
    assert max(sizes) < 2000
    assert all_stored(broker, ids)


def test_a_message_that_ends_the_connection_is_parked(broker: FakeBroker, sender: Any) -> None:
    """0x95 packet too large, each time it is sent: after five times the others have the link for themselves."""
    broker.script.farewell = 0x95
    broker.script.answer = lambda topic, _: HANG_UP if "/sequence/s0001" in topic else 0
    first, *others = sender.add(6)
    sender.start(broker.port)
    sender.wait(lambda: first in sender.outbox.parked())
    sender.wait(lambda: sender.outbox.waiting() == [first])
    assert all_stored(broker, others)


def test_takeover_of_the_client_id(broker: FakeBroker, sender: Any) -> None:
    """Another program with our id throws us out again and again; we come back and deliver."""
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
    """Mosquitto throws the first one out without a word (2.0.11); it comes back and delivers."""
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


def test_a_broker_that_forgets_everything_loses_nothing(mosquitto: Any, sender: Any) -> None:
    """Killed, its persistence deleted: its PUBACKs were worth nothing, and nothing relied on them."""
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    ids = sender.add(5, size=40_000)
    sender.start(mosquitto.port)
    sender.wait(lambda: bool(collector.store.records))
    mosquitto.kill()
    for file in mosquitto.folder.glob("*.db*"):
        file.unlink()
    mosquitto.start()
    sender.wait()
    collector.stop()
    assert all(collector.store.complete(sequence) for sequence in ids)


def test_a_thin_link_with_a_short_keepalive_does_not_livelock(mosquitto: Any, sender: Any) -> None:
    """200 KB at 50 KB/s with a keepalive of 1 s: as one publish it would never arrive; in chunks it does."""
    collector = BrokerCollector(mosquitto.host, mosquitto.port, TOPICS)
    assert collector.ready.wait(10)
    proxy = Proxy(mosquitto.port, 50_000)
    sender.add(1, size=100_000)
    sender.start(proxy.port, keepalive_s=1, pace=Pace(retry_first_s=0.05, receipt_timeout_s=2))
    sender.wait()
    assert proxy.connections <= 3
    collector.stop()
    proxy.close()
