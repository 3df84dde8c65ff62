"""Many traps in one process, each with its own outbox, link and delivery: `many_traps.py FOLDER PORT FIRST COUNT`.

For each line on standard input, every trap adds a sequence and (the first time) connects; when all sequences are
delivered, a line is printed. Used by `test_crowd`.
"""

import sys
import time
from pathlib import Path

from tests.end_to_end.conftest import jpeg

from support.records import make_record, write_frames
from uncia_contract.messages.records import BundleIdentity, encode
from uncia_contract.messages.topics import Topics
from uncia_edge.clock import read_clock
from uncia_edge.delivery.link import Broker, Link, MqttMessage
from uncia_edge.delivery.link_state import Pace
from uncia_edge.delivery.sender import Delivery
from uncia_edge.outbox.store import Outbox
from uncia_edge.service.health import trap_state

BUNDLE = BundleIdentity("crowd", 1, "0" * 64)


class Trap:
    """Outbox, link and delivery of a trap."""

    def __init__(self, folder: Path, port: int, number: int) -> None:
        self.name, self.folder = f"trap-{number:04d}", folder / f"trap-{number:04d}"
        self.number, self.running = number, False
        self.outbox = Outbox(self.folder / "outbox")
        topics = Topics(self.name)
        self.delivery = Delivery(
            self.outbox,
            Link(Broker("127.0.0.1", port), topics),
            topics,
            pace=Pace(receipt_timeout_s=10, retry_first_s=1, retry_most_s=10),
            greetings=lambda: [
                MqttMessage(topics.availability, b"online", retain=True),
                MqttMessage(topics.state, encode(self._state()), retain=True),
            ],
        )

    def add(self) -> None:
        """Add a sequence of one frame."""
        sequence = self.outbox.next_sequence_id(self.name)
        content = jpeg(hash(sequence) % 2**31, (64, 48))
        record = make_record(sequence, [content], trap=self.name)
        self.outbox.add(record, write_frames(self.folder / "spool", [content], sequence))

    def connect(self) -> None:
        """Start delivery, if it does not run yet."""
        if not self.running:
            self.running = True
            self.delivery.start()

    def _state(self) -> object:
        return trap_state(self.name, BUNDLE, "none 0", "cpu", self.outbox, read_clock())


def main(folder: Path, port: int, first: int, count: int) -> None:
    """Execute the commands on standard input, one in each line."""
    traps = [Trap(folder, port, number) for number in range(first, first + count)]
    print("ready", flush=True)
    for _ in sys.stdin:
        for trap in traps:
            trap.add()
        for trap in traps:
            trap.connect()
        while any(trap.outbox.depth().sequences for trap in traps):
            time.sleep(0.05)
        print("delivered", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), *map(int, sys.argv[2:]))
