"""The collector with a real broker: it acknowledges after the commit, and then sends receipts."""

import queue
import threading
import time
from collections.abc import Callable

import msgspec
import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.collector.conftest import PostgreSQL, postgresql_programs
from tests.collector.station.test_alerts import state_of

from support.fake_broker import WITHHOLD, FakeBroker
from uncia_collector.catalogue.listing import listing
from uncia_collector.ingest.broker import check_broker, identity_of
from uncia_collector.ingest.subscriber import Ingest
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, CollectorSettings
from uncia_contract.errors import BrokerError, ConfigurationError, StorageError
from uncia_contract.messages.records import Receipt, decode
from uncia_contract.messages.topics import ROOT, Topics


class TrapClient:
    """A trap that publishes messages and collects receipts."""

    def __init__(self, host: str, port: int, trap: str = "ridge") -> None:
        self.receipts: queue.Queue[Receipt] = queue.Queue()
        subscribed = threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, f"trap-{trap}", protocol=mqtt.MQTTv5)
        self.client.on_message = lambda _c, _d, message: self.receipts.put(decode(message.payload, Receipt))
        self.client.on_connect = lambda client, *_: client.subscribe(Topics(trap).receipt, qos=1)
        self.client.on_subscribe = lambda *_: subscribed.set()
        self.client.connect(host, port)
        self.client.loop_start()
        assert subscribed.wait(60)

    def send(self, *messages) -> None:
        """Publish messages, QoS 1."""
        for message in messages:
            properties = Properties(PacketTypes.PUBLISH)
            if message.properties:
                properties.UserProperty = list(message.properties)
            self.client.publish(message.topic, message.payload, qos=1, properties=properties)

    def await_complete(self) -> Receipt:
        """The first receipt that says that everything is stored."""
        return self.await_one(lambda receipt: receipt.complete)

    def await_one(self, wanted: Callable[[Receipt], bool]) -> Receipt:
        """The first receipt that passes the condition."""
        while not wanted(receipt := self.receipts.get(timeout=60)):
            pass
        return receipt

    def close(self) -> None:
        """Disconnect."""
        self.client.disconnect()
        self.client.loop_stop()


@pytest.fixture(params=["sqlite", "postgresql"])
def collector_settings(request, mosquitto, tmp_path):
    """The settings of a collector for this test, once on SQLite and once on PostgreSQL."""
    database = "" if request.param == "sqlite" else request.getfixturevalue("postgresql").new_catalogue()
    broker = BrokerSettings(host=mosquitto.host, port=mosquitto.port)
    return CollectorSettings(data=str(tmp_path / "data"), database=database, broker=broker, http=None, min_free_bytes=0)


@pytest.fixture
def collector(collector_settings):
    """A running collector that is subscribed."""
    collector = Collector(collector_settings)
    collector.start()
    collector.wait_ready()
    yield collector
    collector.stop()


@pytest.fixture
def trap(mosquitto):
    """A trap that is connected."""
    client = TrapClient(mosquitto.host, mosquitto.port)
    yield client
    client.close()


def test_why_the_broker_cannot_be_reached_is_logged(on_sqlite, caplog):
    """No broker listens on the port; the log says so, and not only that there is no connection."""
    ingest = Ingest(BrokerSettings(port=1), ROOT, on_sqlite.store)
    ingest.start()
    deadline_s = time.monotonic() + 20
    while not any("Connection refused" in message for message in caplog.messages):
        assert time.monotonic() < deadline_s
        time.sleep(0.02)
    ingest.stop()


def test_a_receipt_comes_after_the_commit(collector, trap, sent):
    """When a receipt says complete, the catalogue holds the sequence."""
    trap.send(*sent.messages(step=700))
    trap.await_complete()

    assert [row["complete"] for row in listing(collector.database)] == [True]


def test_trap_may_ask_again_what_is_missing(collector, trap, sent):
    """The same record again gets a full receipt."""
    trap.send(*sent.messages())
    trap.await_complete()
    trap.send(sent.record_message())

    assert trap.await_complete().frames_stored == (0, 1)


def test_stopped_collector_finds_its_messages_waiting(collector, collector_settings, trap, sent):
    """Messages published while the collector is down come when it starts again: the broker keeps its session."""
    collector.stop()
    trap.send(*sent.messages())
    again = Collector(collector_settings)
    again.start()

    assert trap.await_complete().sequence == sent.id
    again.stop()


def test_nothing_is_acknowledged_before_the_commit(collector, trap, sent, monkeypatch):
    """While the store cannot commit there is no receipt; then everything is stored once."""
    working, tried = collector.store.commit, threading.Event()

    def broken(*_):
        tried.set()
        raise StorageError("disk full")

    monkeypatch.setattr(collector.store, "commit", broken)
    trap.send(*sent.messages())
    assert tried.wait(60) and trap.receipts.empty() and collector.ingest.trouble in {"", "disk full"}
    monkeypatch.setattr(collector.store, "commit", working)

    assert trap.await_complete().sequence == sent.id


def test_the_collector_waits_for_a_lost_database(mosquitto, tmp_path, trap, sent):
    """PostgreSQL crashes: nothing is acknowledged meanwhile, `trouble` says why, and then everything is stored."""
    programs = postgresql_programs()
    if programs is None:
        pytest.skip("NO POSTGRESQL: install Debian's package `postgresql`; its loss was not tested")
    server = PostgreSQL(programs)
    broker = BrokerSettings(host=mosquitto.host, port=mosquitto.port)
    url = server.new_catalogue()
    collector = Collector(
        CollectorSettings(data=str(tmp_path), database=url, broker=broker, http=None, min_free_bytes=0)
    )
    collector.start()
    collector.wait_ready()
    server.halt()
    trap.send(*sent.messages())
    deadline = time.monotonic() + 60
    while not collector.ingest.trouble:
        assert trap.receipts.empty() and time.monotonic() < deadline
    server.start()

    assert trap.await_complete().sequence == sent.id and not collector.ingest.trouble
    collector.stop()
    server.stop()


def test_collector_and_trap_reconnect_after_a_broker_restart(collector, trap, sent, mosquitto):
    """The broker is killed and started again."""
    mosquitto.kill()
    mosquitto.start()
    collector.wait_ready(60)
    trap.send(*sent.messages())

    assert trap.await_complete().sequence == sent.id


def test_message_that_breaks_the_store_does_not_stop_the_others(collector, trap, sent, make_sequence, monkeypatch):
    """The message is quarantined, and its trap gets a receipt that says so; the others are stored."""
    working = collector.store.commit

    def commit(messages, now):
        if any(getattr(getattr(item, "record", None), "id", "") == "poison" for item in messages):
            raise ValueError("a bug")
        return working(messages, now)

    monkeypatch.setattr(collector.store, "commit", commit)
    trap.send(make_sequence(id="poison").record_message(), *sent.messages())
    refused = trap.await_one(lambda receipt: receipt.sequence == "poison").refused
    trap.await_complete()

    assert refused == "the store refused it: ValueError"
    assert [row["id"] for row in listing(collector.database)] == [sent.id]


def test_an_answer_that_fails_does_not_stop_the_ingest(collector, trap, sent, make_sequence):
    """The batch is committed although its receipts could not be sent; the next sequence is stored with a receipt."""

    def broken(_state):
        raise ValueError("a bug")

    collector.ingest.announce = broken
    trap.send(RawMessage("uncia/v1/ridge/state", state_of("ridge")), *sent.messages())
    trap.await_complete()
    trap.send(*make_sequence(id="next").messages())

    assert trap.await_complete().sequence == "next"


def test_check_names_a_broker_that_is_not_there(mosquitto):
    """One line says where, what, and what to check."""
    mosquitto.stop()

    with pytest.raises(BrokerError, match=f"broker 127.0.0.1:{mosquitto.port}: Connection refused; is it running"):
        check_broker(BrokerSettings(port=mosquitto.port), ROOT)


@pytest.mark.parametrize(
    ("connack", "suback", "said"),
    [
        (0x87, 1, "Not authorized"),
        (0, 0x87, "traps' messages may not be read: Not authorized; is its access list right?"),
        (WITHHOLD, 1, "no answer within 0.5 s"),
    ],
    ids=["not let in", "may not listen", "no answer"],
)
def test_check_names_what_the_broker_refuses(connack: int, suback: int, said: str):
    """`check` must not say that all is ready when no record could arrive."""
    broker = FakeBroker(Topics("ridge"))
    broker.script.connack, broker.script.suback = connack, suback
    try:
        with pytest.raises(BrokerError) as told:
            check_broker(BrokerSettings(port=broker.port), ROOT, timeout_s=0.5)
        assert str(told.value) == f"broker 127.0.0.1:{broker.port}: {said}"
    finally:
        broker.close()


def test_check_accepts_a_broker_that_accepts_the_collector(mosquitto):
    """A real broker."""
    check_broker(BrokerSettings(port=mosquitto.port), ROOT, timeout_s=30)


def test_a_refused_subscription_is_tried_again(collector, monkeypatch):
    """The access list is corrected at the broker; the collector needs no restart."""
    monkeypatch.setattr("uncia_collector.ingest.subscriber.RESUBSCRIBE_S", 0.05)
    broker = FakeBroker(Topics("ridge"))
    broker.script.suback = 0x87
    ingest = Ingest(BrokerSettings(port=broker.port), ROOT, collector.store)
    ingest.start()
    try:
        with pytest.raises(BrokerError):
            ingest.wait_ready(0.5)
        broker.script.suback = 1
        ingest.wait_ready(30)
        assert ingest.connected and broker.connections == 1
    finally:
        ingest.stop()
        broker.close()


def test_the_collector_can_stop_with_a_full_queue(collector, monkeypatch):
    """The disk is full and the broker has filled the queue: `stop` returns, and nothing is acknowledged."""

    def full(*_):
        raise StorageError("no space left")

    ingest = collector.ingest
    monkeypatch.setattr(collector.store, "commit", full)
    while not ingest._arrived.full():
        ingest._arrived.put(RawMessage("uncia/v1/ridge/availability", b"online"))
    ending = threading.Thread(target=ingest.stop, daemon=True)
    ending.start()
    ending.join(30)
    assert not ending.is_alive()


@pytest.mark.parametrize("program", ["check", "ask"])
def test_each_program_needs_its_own_certificate_if_the_collector_has_one(program: str) -> None:
    """With the collector's certificate, the broker would end its session. The error says what to do."""
    own = {f"{program}_certificate": "own.pem", f"{program}_key": "own.key"}
    mutual = BrokerSettings(ca="ca.pem", certificate="collector.pem", key="collector.key")
    with pytest.raises(ConfigurationError, match=f"{program}_certificate and {program}_key are missing.*init` makes"):
        identity_of(mutual, program)
    assert identity_of(msgspec.structs.replace(mutual, **own), program).certificate == "own.pem"
    assert identity_of(BrokerSettings(), program).certificate == ""
