"""Sequences a second that a collector commits: one 20 kB frame each, through a real Mosquitto, on this machine.

    python benchmarks/collector_ingest.py [--sequences 4000] [--postgresql | --database URL] [--data DIR]

Prints one JSON object: sequences a second from the first publish to the last receipt, and the collector's resident
memory after each twentieth of the sequences. `--postgresql` starts a private server with synchronous commits. The
senders run in processes of their own; senders, broker and collector share the machine's cores. The broker saves its
sessions at Mosquitto's default interval, because only receipts matter; `--save-always` saves them at each change.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import threading
import time
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

sys.path.insert(0, str(Path(__file__).parent.parent))
from tests.collector.conftest import PostgreSQL, SentSequence, jpeg, postgresql_programs
from tests.conftest import Mosquitto

from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, BudgetSettings, CollectorSettings
from uncia_contract.messages.records import Receipt, decode

IN_FLIGHT = 200
BASE = jpeg(1, (150, 110))


def picture(seed: int) -> bytes:
    """A JPEG of 20 kB; a comment after the end marker makes its bytes unique."""
    return BASE + seed.to_bytes(8, "big") + b"\0" * (20_000 - len(BASE) - 8)


def resident_mb() -> float:
    """This process's resident memory in MB; only the collector runs in it."""
    return round(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6, 1)


def send(port: int, trap: str, first: int, count: int, receipted, done) -> None:
    """Send as one trap, with IN_FLIGHT sequences at a time, until all have receipts."""
    window, left, finished = threading.Semaphore(IN_FLIGHT), [count], threading.Event()

    def hear(_client, _data, message) -> None:
        if decode(message.payload, Receipt).complete:
            window.release()
            left[0] -= 1
            with receipted.get_lock():
                receipted.value += 1
            if not left[0]:
                finished.set()

    client = mqtt.Client(CallbackAPIVersion.VERSION2, trap, protocol=mqtt.MQTTv5)
    client.max_inflight_messages_set(400)
    client.on_message = hear
    client.connect("127.0.0.1", port)
    client.subscribe(f"uncia/v1/{trap}/receipt", qos=1)
    client.loop_start()
    for number in range(first, first + count):
        window.acquire()
        for message in SentSequence(id=f"{number:08d}", trap=trap, pictures=[picture(number)]).messages():
            properties = Properties(PacketTypes.PUBLISH)
            if message.properties:
                properties.UserProperty = list(message.properties)
            client.publish(message.topic, message.payload, qos=1, properties=properties)
    finished.wait(600)
    done.put(left[0])


def watch(senders, receipted, total: int) -> list[float]:
    """Record resident memory after each twentieth of the sequences, until the senders are done."""
    curve: list[float] = []
    while any(sender.is_alive() for sender in senders):
        if receipted.value >= (len(curve) + 1) * total // 20:
            curve.append(resident_mb())
        time.sleep(0.01)
    return curve


def main() -> None:
    """Run broker, collector and senders; print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sequences", type=int, default=4000)
    parser.add_argument("--traps", type=int, default=2)
    parser.add_argument("--database", default="")
    parser.add_argument("--postgresql", action="store_true")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--save-always", action="store_true")
    arguments = parser.parse_args()
    server = PostgreSQL(postgresql_programs(), options="") if arguments.postgresql else None
    database = arguments.database if server is None else server.new_database()
    with tempfile.TemporaryDirectory(dir=arguments.data) as name:
        broker = Mosquitto(
            Path(name), "" if arguments.save_always else "autosave_interval 1800\nautosave_on_changes false\n"
        )
        broker.start()
        settings = CollectorSettings(
            data=f"{name}/data", database=database, broker=BrokerSettings(port=broker.port), http=None,
            budgets=BudgetSettings(mb_per_minute=1e6, messages_per_minute=1e9, mb_per_day=1e9),  # never reached
        )  # fmt: skip
        collector = Collector(settings)
        collector.start()
        collector.wait_ready()
        spawn, each = multiprocessing.get_context("spawn"), arguments.sequences // arguments.traps
        done, receipted = spawn.Queue(), spawn.Value("i", 0)
        started = time.perf_counter()
        senders = [
            spawn.Process(target=send, args=(broker.port, f"t{n}", 0, each, receipted, done))
            for n in range(arguments.traps)
        ]
        for sender in senders:
            sender.start()
        curve = watch(senders, receipted, each * arguments.traps)
        lost = sum(done.get() for _ in senders)
        seconds = time.perf_counter() - started
        collector.stop()
        broker.stop()
    if server is not None:
        server.stop()
    figures = {
        "sequences": each * arguments.traps,
        "without_receipt": lost,
        "seconds": round(seconds, 2),
        "sequences_per_second": round(each * arguments.traps / seconds, 1),
        "collector_cpu_seconds": round(time.process_time(), 2),
        "database": "postgresql" if database else "sqlite",
        "resident_mb": curve,
        "cores": os.cpu_count(),
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
