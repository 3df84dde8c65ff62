"""The collector's notifications to systemd."""

import socket
import threading
from pathlib import Path

import pytest

from uncia_collector.catalogue.database import Database
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.subscriber import Ingest
from uncia_collector.settings import BrokerSettings, sqlite_url
from uncia_collector.systemd_notify import notify, serve_until


@pytest.mark.parametrize("alive", [True, False])
def test_ready_then_fed_while_alive_then_stopping(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, alive: bool) -> None:
    """The watchdog of a collector that hangs is not fed, so systemd restarts it."""
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    stop, asked = threading.Event(), []

    def is_alive() -> bool:
        asked.append(1)
        if len(asked) == 3:
            stop.set()
        return alive

    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        serve_until(stop, is_alive, feed_s=0.01)
        listener.settimeout(0.1)
        heard = [listener.recv(100) for _ in range(5 if alive else 2)]
    assert heard == [b"READY=1", *[b"WATCHDOG=1"] * (3 if alive else 0), b"STOPPING=1"]


def test_without_systemd_nothing_is_sent() -> None:
    """As on a desktop."""
    assert not notify("READY=1", {})


def test_an_ingest_that_hangs_is_not_alive(tmp_path: Path) -> None:
    """A batch that takes minutes without a known cause; waiting for room on a full disk is not hanging."""
    database = Database(sqlite_url(tmp_path))
    database.migrate()
    ingest = Ingest(BrokerSettings(port=1), "uncia/v1", Store(database, FrameFolder(tmp_path)))
    ingest.start()
    try:
        assert ingest.alive()
        ingest._batch_since_s = -1000.0
        assert not ingest.alive()
        ingest.trouble = "disk full"
        assert ingest.alive()
    finally:
        ingest.stop()
        database.close()
