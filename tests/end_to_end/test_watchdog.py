"""The watchdog of a whole trap: it is fed only while every part makes progress."""

import queue
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import free_port
from tests.end_to_end.conftest import record_bursts

from uncia_edge.service import runtime
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings


class Systemd:
    """Receives the messages of a service to systemd."""

    def __init__(self, address: Path) -> None:
        self._wire = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._wire.bind(str(address))
        self._said: queue.SimpleQueue[str] = queue.SimpleQueue()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        while True:
            self._said.put(self._wire.recv(500).decode())

    def next(self) -> str:
        """The next message."""
        return self._said.get(timeout=30)

    def wait_for(self, word: str) -> None:
        """Receive messages until this one comes."""
        while self.next() != word:
            pass


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Systemd:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    monkeypatch.setattr(runtime, "FEED_S", 0.2)
    monkeypatch.setattr(runtime, "DEADLINE_S", 1.5)
    return Systemd(tmp_path / "notify")


@pytest.fixture
def trap(tmp_path: Path, eager_bundle: Path, systemd: Systemd) -> Iterator[Runtime]:
    """A running trap on a watched folder, without a broker."""
    (tmp_path / "DCIM").mkdir()
    camera = CameraSettings(kind="watched", folder=str(tmp_path / "DCIM"), settle_s=0.1, quiet_s=0.3)
    settings = TrapSettings("ridge-1", str(eager_bundle), str(tmp_path / "state"), camera=camera,
                            broker=BrokerSettings(port=free_port()))  # fmt: skip
    with Runtime(settings) as trap:
        running = threading.Thread(target=trap.run)
        running.start()
        yield trap
        trap.stop()
        running.join(30)


def hang(hung: threading.Event, real: Any) -> Any:
    """Do as the original, after it is released."""

    def call(*arguments: Any) -> Any:
        hung.wait()
        return real(*arguments)

    return call


@pytest.mark.parametrize("part", ["observing", "delivery"])
def test_what_hangs_starves_the_watchdog(
    systemd: Systemd, trap: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    """With a model or a link that hangs, systemd gets the part's name and no watchdog message."""
    systemd.wait_for("READY=1")
    systemd.wait_for("WATCHDOG=1")
    hung = threading.Event()
    if part == "observing":
        monkeypatch.setattr(trap.classifier, "score", hang(hung, trap.classifier.score))
        record_bursts(tmp_path / "DCIM", 1)
    else:
        monkeypatch.setattr(trap.delivery, "step", hang(hung, trap.delivery.step))
    try:
        systemd.wait_for(f"STATUS=no progress of {part}")
        assert [systemd.next() for _ in range(5)] == [f"STATUS=no progress of {part}"] * 5
        assert f"no progress of {part}" in trap._state().payload.decode()
    finally:
        hung.set()
    systemd.wait_for("WATCHDOG=1")


def test_a_burst_that_takes_longer_than_the_deadline_is_no_hang(
    systemd: Systemd, trap: Runtime, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each picture gives a heartbeat: with six of half a second each, the watchdog is fed all the time."""
    systemd.wait_for("WATCHDOG=1")
    slow, real = threading.Event(), trap.classifier.score
    monkeypatch.setattr(trap.classifier, "score", lambda image: (slow.wait(0.5), real(image))[1])
    record_bursts(tmp_path / "DCIM", 1, frames=6)
    heard = []
    while not trap.outbox.queries.waiting():
        heard.append(systemd.next())
    assert set(heard) == {"WATCHDOG=1"}
