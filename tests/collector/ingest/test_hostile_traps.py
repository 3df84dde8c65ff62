"""Attacks by a trap with a valid certificate on the collector, through Mosquitto with the shipped configuration."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions
from sqlalchemy import select
from tests.collector.conftest import SentSequence
from tests.conftest import MOSQUITTO

from support.shipped_broker import ShippedBroker, shipped_broker
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.schema import tallies
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.runtime import Collector
from uncia_collector.settings import AlertSettings, BrokerSettings, BudgetSettings, CollectorSettings
from uncia_contract.messages.topics import Topics

pytestmark = pytest.mark.heavy


class Trap:
    """A client with a trap's certificate."""

    def __init__(self, broker: ShippedBroker, name: str) -> None:
        self.name, self.heard, self.acknowledged = name, list[mqtt.MQTTMessage](), threading.Event()
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, name, protocol=mqtt.MQTTv5)
        self.client.tls_set_context(broker.authority.issue(name).context())
        self.client.on_message = lambda _c, _d, message: self.heard.append(message)
        self.client.on_subscribe = lambda *_: self.acknowledged.set()
        self.client.connect("localhost", broker.port)
        self.client.loop_start()
        wait(self.client.is_connected)

    def send(self, *messages: RawMessage, retain: bool = False) -> None:
        for message in messages:
            properties = Properties(PacketTypes.PUBLISH)
            properties.UserProperty = list(message.properties)
            self.client.publish(message.topic, message.payload, qos=1, retain=retain, properties=properties)

    def hear(self, *topics: str) -> None:
        self.acknowledged.clear()
        self.client.subscribe([(topic, SubscribeOptions(qos=1)) for topic in topics])
        assert self.acknowledged.wait(10)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


class Station:
    """A broker with the shipped configuration, a collector with its certificate, and traps."""

    def __init__(self, broker: ShippedBroker, folder: Path) -> None:
        self.broker, self.folder, self.running, self.traps = broker, folder, list[Collector](), list[Trap]()

    def collector(self, name: str = "Collector", group: str = "", **more: object) -> Collector:
        tls = self.broker.authority.issue(name)
        broker = BrokerSettings(
            "localhost", self.broker.port, ca=str(tls.authority), certificate=str(tls.certificate), key=str(tls.key),
            group=group,
        )  # fmt: skip
        data = str(self.folder / "data")
        collector = Collector(CollectorSettings(data=data, broker=broker, http=None, min_free_bytes=0, **more))
        collector.start()
        collector.wait_ready()
        self.running.append(collector)
        return collector

    def trap(self, name: str) -> Trap:
        self.traps.append(Trap(self.broker, name))
        return self.traps[-1]

    def retained(self) -> list[str]:
        """The topics with a retained message at the broker."""
        listener = Trap(self.broker, "Check")
        listener.hear("uncia/v1/#")
        time.sleep(0.5)
        listener.close()
        return [message.topic for message in listener.heard if message.retain]

    def close(self) -> None:
        for one in [*self.traps, *self.running]:
            one.close() if isinstance(one, Trap) else one.stop()


@pytest.fixture
def station(tmp_path: Path) -> Iterator[Station]:
    if MOSQUITTO is None:
        pytest.skip("NO MOSQUITTO: install Debian's package `mosquitto`; the attacks were not tried")
    with shipped_broker(tmp_path) as broker:
        station = Station(broker, tmp_path)
        for name in ("ridge", "thief", "Collector-north"):
            broker.authority.issue(name)
        broker.stop()
        broker.start()  # with the member's access list
        yield station
        station.close()


def wait(condition: Callable[[], object], within_s: float = 20.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.02)


def counted(collector: Collector) -> dict[tuple[str, str], int]:
    with collector.database.reading() as connection:
        return {(row.name, row.trap): row._mapping["count"] for row in connection.execute(select(tallies))}


def stored(collector: Collector) -> list[str]:
    return [str(row["id"]) for row in listing(collector.database) if row["complete"]]


def test_a_trap_that_joins_a_group_gets_none_of_its_messages(station: Station) -> None:
    """Attack: `$share/<group>/...` got half of them, and they were lost. Now the name is a secret in the catalogue."""
    collectors = [station.collector(name, group="valley") for name in ("Collector", "Collector-north")]
    thief, ridge = station.trap("thief"), station.trap("ridge")
    thief.hear("$share/valley/uncia/v1/+/sequence/#", "$share/valley-/uncia/v1/+/sequence/#", "uncia/v1/#", "$SYS/#")
    sequences = [SentSequence(id=f"{n:06d}") for n in range(20)]
    for sequence in sequences:
        ridge.send(*sequence.messages())
    wait(lambda: len(stored(collectors[0])) == 20)
    assert thief.heard == []


@pytest.mark.parametrize("group", ["", "valley"], ids=["alone", "in a group"])
def test_what_a_trap_retains_is_not_stored_but_cleared(station: Station, group: str) -> None:
    """Attack: retained records and garbage; the broker would send them at every start of a collector."""
    thief = station.trap("thief")
    record = SentSequence(id="kept", trap="thief").record_message()
    garbage = RawMessage(Topics("thief").base + "/sequence/a/b/c", b"garbage")
    if not group:  # a shared subscription gets retained messages only when they are published
        thief.send(record, garbage, retain=True)
    collector = station.collector(group=group)
    thief.send(SentSequence(id="late", trap="thief").record_message(), retain=True)
    if group:
        thief.send(record, garbage, retain=True)
    wait(lambda: sum(n for (name, _), n in counted(collector).items() if name == "retained") == 3)
    wait(lambda: station.retained() == [])
    assert list(listing(collector.database)) == []


def test_collectors_of_one_group_share_a_secret_and_another_group_has_its_own(station: Station) -> None:
    """The secret has 128 bits and is stored in the catalogue."""
    names = [station.collector(name, group="valley").ingest._group for name in ("Collector", "Collector-north")]
    station.running[0].stop()
    names.append(station.collector(group="ridge").ingest._group)
    assert names[0] == names[1] and names[0].startswith("valley-") and len(names[0]) == len("valley-") + 32
    assert names[2].split("-")[1] != names[0].split("-")[1]


def flood(trap: Trap, seconds: float) -> int:
    """Send chunks of announced frames that never become complete, as fast as the broker takes them; return bytes."""
    pictures = [bytes([n]) * 2_000_000 for n in range(60)]
    sequence, sent = SentSequence(id="endless", trap=trap.name, pictures=pictures), 0
    trap.send(sequence.record_message())
    until_s = time.monotonic() + seconds
    while time.monotonic() < until_s:
        for n in range(len(pictures)):
            info = None
            for message in sequence.chunk_messages(n)[:-1]:
                properties = Properties(PacketTypes.PUBLISH)
                properties.UserProperty = list(message.properties)
                info = trap.client.publish(message.topic, message.payload, qos=1, properties=properties)
                sent += len(message.payload)
            if info is not None:
                info.wait_for_publish(30)
    return sent


def test_a_trap_that_floods_neither_blocks_others_nor_fills_the_catalogue(station: Station) -> None:
    """Attack: chunks without end. Another trap's sequence is stored meanwhile; the flood gets only its limit."""
    collector = station.collector(budgets=BudgetSettings(mb_per_minute=60, waiting_mb=20))
    thief, ridge = station.trap("thief"), station.trap("ridge")
    flooding = threading.Thread(target=flood, args=(thief, 12))
    flooding.start()
    waited = []
    for number in range(4):
        time.sleep(2)
        ridge.send(*SentSequence(id=f"{number}").messages())
        began_s = time.monotonic()
        wait(lambda number=number: str(number) in stored(collector), within_s=60)
        waited.append(time.monotonic() - began_s)
    flooding.join()
    wait(lambda: counted(collector).get(("over_budget", "thief"), 0) > 100)
    assert max(waited) < 60  # measured: 0.2 s
    assert sum(path.stat().st_size for path in (station.folder / "data").glob("catalogue.sqlite*")) < 100e6


def test_a_trap_that_lies_delays_anothers_alert_by_less_than_a_minute(station: Station) -> None:
    """Attack: sightings without end, each a new event and newer than others'. Once, others waited 47 hours."""
    heard = station.folder / "heard.txt"
    program = (sys.executable, "-c", f"import sys; open({str(heard)!r}, 'a').write(sys.stdin.readline())")
    station.collector(alerts=AlertSettings(command=program))
    thief, ridge, now = station.trap("thief"), station.trap("ridge"), datetime.now(UTC)
    for number in range(300):
        thief.send(*SentSequence(id=f"{number}", trap="thief", started_at=now, label=f"lie {number}").messages())
    time.sleep(3)
    began_s = time.monotonic()
    ridge.send(*SentSequence(id="true", started_at=now - timedelta(hours=2)).messages())
    wait(lambda: heard.exists() and "ridge/true" in heard.read_text(), within_s=60)
    assert time.monotonic() - began_s < 60  # measured: 10 s, the pause between two rounds
    assert heard.read_text().count("thief/") <= 6
