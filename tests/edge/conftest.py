"""Fixtures of the trap's tests: an outbox and its delivery, over a network with faults."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from support.records import make_record, write_frames
from uncia_contract.messages.topics import Topics
from uncia_edge.delivery.link import Broker, Link
from uncia_edge.delivery.link_state import Pace
from uncia_edge.delivery.sender import Delivery
from uncia_edge.outbox.store import Outbox

QUICK = Pace(receipt_timeout_s=0.2, puback_timeout_s=1.0, retry_first_s=0.02, retry_most_s=0.1)


class Sender:
    """An outbox and its delivery, as in a trap."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.topics = folder, Topics("ridge-01")
        self.outbox = Outbox(folder / "outbox")
        self.delivery: Delivery | None = None
        self.links: list[Link] = []
        self.number = 0

    def add(self, count: int = 1, size: int = 3000, frames: int = 2) -> list[str]:
        """Add `count` sequences of `frames` files of `size` bytes; return their ids."""
        ids = []
        for _ in range(count):
            self.number += 1
            sequence = f"s{self.number:04d}"
            contents = [bytes([self.number % 256, n]) * (size // 2) for n in range(frames)]
            self.outbox.add(make_record(sequence, contents), write_frames(self.folder / "spool" / sequence, contents))
            ids.append(sequence)
        return ids

    def start(self, port: int, pace: Pace = QUICK, keepalive_s: int = 60, connect_timeout_s: float = 5.0) -> Delivery:
        """Start delivery to a broker on a loopback port."""
        link = Link(Broker("127.0.0.1", port, keepalive_s, connect_timeout_s), self.topics)
        self.links.append(link)
        self.delivery = Delivery(self.outbox, link, self.topics, pace=pace)
        self.delivery.start()
        return self.delivery

    def wait(self, condition: Callable[[], bool] | None = None, within_s: float = 30.0) -> None:
        """Wait until the condition holds (by default: until the outbox is empty)."""
        deadline = time.monotonic() + within_s
        while not (condition or (lambda: not self.outbox.queries.waiting()))():
            assert time.monotonic() < deadline, f"not within {within_s} s; waiting: {self.outbox.queries.waiting()[:5]}"
            time.sleep(0.005)

    def stop(self) -> None:
        """Stop delivery."""
        if self.delivery is not None:
            self.delivery.stop()
            self.delivery = None


@pytest.fixture
def sender(tmp_path: Path) -> Iterator[Any]:
    """An outbox and its delivery, stopped after the test."""
    sender = Sender(tmp_path)
    yield sender
    sender.stop()
    sender.outbox.close()
