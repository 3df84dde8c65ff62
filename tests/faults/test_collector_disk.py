"""A full disk at the station: nothing is stored in part or acknowledged, and the page says so; with room, all comes."""

import hashlib
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.collector.conftest import SentSequence, jpeg
from tests.collector.ingest.test_subscriber import TrapClient
from tests.conftest import Mosquitto

from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import People
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, CollectorSettings
from uncia_collector.web.app import make_app

TOTAL = 40


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A tmpfs of six megabytes, three of them used by a file `other`."""
    if os.getuid() != 0:
        pytest.skip("NOT ROOT: a full disk was not tested")
    folder = tmp_path / "disk"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=6m", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("NO MOUNT: this machine does not let us mount a tmpfs")
    (folder / "other").write_bytes(bytes(3 << 20))
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def station(small_disk: Path, mosquitto: Mosquitto) -> Iterator[Collector]:
    """A collector with its data on the small disk and without a margin of free space."""
    broker = BrokerSettings(port=mosquitto.port)
    collector = Collector(CollectorSettings(data=str(small_disk / "data"), broker=broker, http=None, min_free_bytes=0))
    collector.start()
    collector.wait_ready()
    yield collector
    collector.stop()


def wait_for(condition: Callable[[], bool], timeout_s: float = 60) -> None:
    """Wait until a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def test_full_disk_is_waited_for_and_said(station: Collector, small_disk: Path, mosquitto: Mosquitto) -> None:
    """During ENOSPC every stored file is intact and the page says why nothing comes; later everything comes."""
    base = jpeg(1, (320, 240))
    People(station.database).set_user("v", "snow and rocks", "reviewer", datetime.now(UTC))
    page = TestClient(make_app(station.settings, station.database, station.ingest))
    page.post("/login", data={"name": "v", "password": "snow and rocks"})
    sent = {n: SentSequence(id=f"{n:04d}", pictures=[base + bytes([n]) * (200_000 - len(base))]) for n in range(TOTAL)}
    trap, done = TrapClient(mosquitto.host, mosquitto.port), set[str]()
    for n, sequence in sent.items():
        trap.send(*sequence.messages())
        while n < 3 and len(done) <= n:  # at once, they could be a single batch, for which there is no room
            done.add(trap.await_complete().sequence)

    wait_for(lambda: station.ingest.refusals > 1)
    assert "The station cannot store anything now" in page.get("/").text
    assert "uncia_storing 0.0" in page.get("/metrics").text and not page.get("/health").json()["storing"]
    stored = [row for row in listing(station.database) if row["complete"]]
    assert 0 < len(stored) < TOTAL and all(_whole(small_disk / "data", row) for row in stored)

    subprocess.run(["mount", "-o", "remount,size=64m", str(small_disk)], check=True)
    while len(done) < TOTAL:
        done.add(trap.await_complete().sequence)
    trap.close()
    rows = [*listing(station.database)]
    assert len(rows) == TOTAL and all(row["complete"] and _whole(small_disk / "data", row) for row in rows)
    assert not [*(small_disk / "data").glob("frames/**/*.part*")] and "Nothing can be" not in page.get("/").text


def _whole(root: Path, row: dict) -> bool:
    return all(
        hashlib.sha256((root / file["path"]).read_bytes()).hexdigest() == file["sha256"] for file in row["files"]
    )
