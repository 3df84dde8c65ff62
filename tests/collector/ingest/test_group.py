"""A group of collectors shares one broker, one PostgreSQL and one folder; one of them is killed."""

import hashlib
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from sqlalchemy import func, select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.schema import chunks
from uncia_contract.messages.records import Receipt, decode
from uncia_contract.messages.topics import Topics


class PatientTrap:
    """A trap that sends some sequences at a time and repeats them until it has their receipts, as the outbox does."""

    WINDOW, ASK_AGAIN_S = 200, 3.0

    def __init__(self, port: int, sequences) -> None:
        self.waiting = {sequence.id: sequence for sequence in sequences}
        self.under_way: dict[str, float] = {}
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, "trap-ridge", protocol=mqtt.MQTTv5)
        self.client.connect("127.0.0.1", port)
        self.client.subscribe(Topics("ridge").receipt, qos=1)
        self.client.on_message = self._hear
        self.asked: set[str] = set()
        self.done = 0

    def run_until(self, done: int, timeout_s: float) -> None:
        """Send and listen until that many sequences have their receipts."""
        deadline = time.monotonic() + timeout_s
        while self.done < done:
            assert time.monotonic() < deadline, f"{self.done} of {done} receipted; {list(self.under_way)[:5]} under way"
            self._fill()
            self.client.loop(0.05)

    def _fill(self) -> None:
        now = time.monotonic()
        for known, sent_at in [*self.under_way.items()]:
            if now - sent_at > self.ASK_AGAIN_S:
                self.asked.add(known)
                self._send(known, [self.waiting[known].record_message()])
        for new in [key for key in self.waiting if key not in self.under_way][: self.WINDOW - len(self.under_way)]:
            self._send(new, self.waiting[new].messages(step=600))

    def _send(self, known: str, messages) -> None:
        self.under_way[known] = time.monotonic()
        for message in messages:
            properties = Properties(PacketTypes.PUBLISH)
            if message.properties:
                properties.UserProperty = list(message.properties)
            self.client.publish(message.topic, message.payload, qos=1, properties=properties)

    def _hear(self, _client, _data, message) -> None:
        receipt = decode(message.payload, Receipt)
        sequence = self.waiting.get(receipt.sequence)
        if sequence is None:
            return
        if receipt.complete:
            del self.waiting[receipt.sequence], self.under_way[receipt.sequence]
            self.done += 1
        elif receipt.sequence in self.asked:
            self.asked.discard(receipt.sequence)
            chunks = [chunk for frame in receipt.missing for chunk in sequence.chunk_messages(frame.n)]
            self._send(receipt.sequence, chunks)


@pytest.fixture
def broker(start_mosquitto):
    """A broker that saves its sessions rarely; saving at each change would be the bottleneck."""
    return start_mosquitto("autosave_interval 1800\nautosave_on_changes false\n")


@pytest.fixture
def start_member(tmp_path, broker, postgresql):
    """A function that starts a collector of the group in its own process."""
    url, members = postgresql.new_database(), []

    def start(name: str) -> subprocess.Popen:
        config = tmp_path / f"{name}.toml"
        config.write_text(
            f"data = 'data'\ndatabase = '{url}'\nmin_free_bytes = 0\n"
            f"[broker]\nport = {broker.port}\ngroup = 'all'\nclient_id = '{name}'\n[http]\nport = 0\n"
            "[budgets]\nmb_per_minute = 0\nmessages_per_minute = 0\n"
        )
        command = [sys.executable, "-m", "uncia_collector.cli.main", "serve", "--config", str(config)]
        member = subprocess.Popen(command, stderr=subprocess.PIPE)
        members.append(member)
        while b'"subscribed"' not in (line := member.stderr.readline()):
            assert line, "the collector left"
        return member

    start.url = url
    yield start
    for member in members:
        member.kill()
        member.wait()
        member.stderr.close()


@pytest.mark.heavy
@pytest.mark.parametrize("total", [120, pytest.param(10_000, marks=pytest.mark.faults)])
def test_a_killed_member_loses_and_doubles_nothing(start_member, broker, make_sequence, make_jpeg, tmp_path, total):
    """One of two collectors is killed during the work; every sequence is there exactly once, byte for byte."""
    base = make_jpeg(0)
    wanted = [make_sequence(id=f"{n:06d}", pictures=[base + n.to_bytes(4, "big")]) for n in range(total)]
    first, _second = start_member("first"), start_member("second")
    trap = PatientTrap(broker.port, wanted)

    trap.run_until(total // 3, timeout_s=400)
    first.send_signal(signal.SIGKILL)
    trap.run_until(total, timeout_s=400)

    assert _stored(start_member.url, tmp_path / "data") == {
        sequence.id: [hashlib.sha256(sequence.pictures[0]).hexdigest()] for sequence in wanted
    }


def _stored(url: str, root: Path) -> dict[str, list[str]]:
    """The sha256 of every file of every complete sequence; fails if chunks wait or other files are there."""
    database = Database(url)
    rows = [row for row in listing(database) if row["complete"]]
    with database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(chunks)).scalar_one() == 0
    database.close()
    assert len(rows) == sum(1 for path in root.glob("frames/**/*.jpg"))
    return {
        row["id"]: [hashlib.sha256((root / file["path"]).read_bytes()).hexdigest() for file in row["files"]]
        for row in rows
    }
