"""Goodput of delivery on a slow link: bytes of records and JPEGs with receipts, as a share of the link's capacity.

Goal: at least 90 % at 20 KB/s. Needs Mosquitto. `python benchmarks/delivery_goodput.py [--rate 20000] [--cuts 0]`;
`--cuts N` breaks the link N times.
"""

import argparse
import json
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from support.fake_collector import BrokerCollector
from support.proxy import Proxy
from support.records import make_record, write_frames
from uncia_contract.messages.records import encode
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.link import Broker, Link
from uncia_edge.delivery.link_state import Pace
from uncia_edge.delivery.sender import Delivery
from uncia_edge.outbox.store import Outbox

TOPICS = Topics("ridge-01")
# Two bursts of a small camera: 3 and 5 frames of 45 to 110 KB.
FRAMES = [[110_000, 90_000, 70_000], [80_000, 60_000, 45_000, 100_000, 75_000]]


def start_broker(folder: Path) -> tuple[subprocess.Popen[bytes], int]:
    """Start a Mosquitto; return it and its port."""
    mosquitto = shutil.which("mosquitto") or "/usr/sbin/mosquitto"
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "m.conf").write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\nlog_dest none\n")
    process = subprocess.Popen([mosquitto, "-c", str(folder / "m.conf")])
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process, port


def fill(outbox: Outbox, folder: Path) -> int:
    """Add two sequences of random bytes; return the payload in bytes."""
    chance = random.Random(1)
    payload = 0
    for number, sizes in enumerate(FRAMES):
        contents = [chance.randbytes(size) for size in sizes]
        record = make_record(f"s{number}", contents)
        outbox.add(record, write_frames(folder / f"s{number}", contents))
        payload += len(encode(record)) + sum(sizes)
    return payload


def measure(rate: int, cuts: int, folder: Path) -> dict[str, float]:
    """Run delivery once; return the figures."""
    process, port = start_broker(folder)
    try:
        collector = BrokerCollector("127.0.0.1", port, TOPICS)
        collector.ready.wait(10)
        proxy = Proxy(port, rate)
        outbox = Outbox(folder / "outbox")
        payload = fill(outbox, folder)
        delivery = Delivery(outbox, Link(Broker("127.0.0.1", proxy.port), TOPICS), TOPICS, pace=Pace(retry_first_s=0.5))
        started = time.monotonic()
        delivery.start()
        for n in range(cuts):
            threading.Timer((n + 1) * payload / rate / (cuts + 1), proxy.cut).start()
        while outbox.queries.waiting():
            time.sleep(0.01)
        seconds = time.monotonic() - started
        delivery.stop()
        collector.stop()
        return {
            "rate": rate,
            "cuts": cuts,
            "payload_bytes": payload,
            "wire_bytes": proxy.forwarded_bytes,
            "seconds": round(seconds, 2),
            "goodput": round(payload / seconds / rate, 4),
        }
    finally:
        process.terminate()
        process.wait()


def main() -> int:
    """Print the figures; return 0 if the goal is met."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=int, default=20_000, help="bytes a second")
    parser.add_argument("--cuts", type=int, default=0, help="how often the link breaks meanwhile")
    parser.add_argument("--least", type=float, default=0.9, help="exit 1 below this goodput")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        result = measure(arguments.rate, arguments.cuts, Path(folder))
    print(json.dumps(result))
    return 0 if result["goodput"] >= arguments.least else 1


if __name__ == "__main__":
    sys.exit(main())
