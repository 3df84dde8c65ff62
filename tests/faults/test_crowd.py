"""Many traps at once: all reconnect when the base station's power returns, with days of waiting sequences."""

import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.faults.many_traps import Trap
from tests.faults.station import ENVIRONMENT, SHIPPED_SAVING, Station

PROCESSES = 8  # paho waits with select(), which knows 1,024 descriptors; a trap has six


class Crowd:
    """Many traps in a few processes."""

    def __init__(self, folder: Path, port: int, traps: int) -> None:
        each, script = traps // PROCESSES, Path(__file__).with_name("many_traps.py")
        root = str(Path(__file__).parents[2])
        self.processes = [
            subprocess.Popen(
                [sys.executable, str(script), str(folder), str(port), str(n * each), str(each)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                env={**ENVIRONMENT, "PYTHONPATH": f"{root}:{ENVIRONMENT['PYTHONPATH']}"},
            )
            for n in range(PROCESSES)
        ]
        self._limit = threading.Timer(480, self._give_up)
        self._limit.start()
        self.hear("ready")

    def tell(self) -> None:
        """Add a sequence to every trap."""
        for process in self.processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()

    def hear(self, word: str) -> None:
        """Read a line from each process; it must be this word."""
        for process in self.processes:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == word

    def close(self) -> None:
        """End the processes."""
        self._limit.cancel()
        self._give_up()
        for process in self.processes:
            process.communicate()

    def _give_up(self) -> None:
        for process in self.processes:
            process.kill()


@pytest.fixture
def station(tmp_path: Path, start_mosquitto: Any) -> Iterator[Station]:
    """A broker that saves as in the shipped configuration, and a collector."""
    station = Station(tmp_path, start_mosquitto(SHIPPED_SAVING))
    station.start("collector")
    yield station
    station.close()


@pytest.mark.parametrize("traps", [40, pytest.param(1000, marks=pytest.mark.faults)])
def test_a_valley_of_traps_reconnects_at_once(tmp_path: Path, station: Station, traps: int) -> None:
    """The broker is killed and restarted while all connect: each sequence is stored completely and once."""
    crowd = Crowd(tmp_path / "traps", station.broker.port, traps)
    try:
        crowd.tell()
        crowd.hear("delivered")
        station.kill("broker")
        crowd.tell()
        station.start("broker")
        crowd.hear("delivered")
    finally:
        crowd.close()
    found = station.catalogue()
    assert len({sequence["id"] for sequence in found}) == len(found) == 2 * traps
    assert all(len(files) == 1 for files in station.stored())
    station.kill("collector")  # it is still there


@pytest.mark.parametrize("waiting", [50, pytest.param(3000, marks=pytest.mark.faults)])
def test_days_offline_end_with_everything_in_the_catalogue(tmp_path: Path, station: Station, waiting: int) -> None:
    """Thousands wait when the link returns after a restart: each is stored once, completely, and marked historical."""
    trap = Trap(tmp_path / "traps", station.broker.port, 0)
    for _ in range(waiting):
        trap.add()
    trap.outbox.close()
    trap = Trap(tmp_path / "traps", station.broker.port, 0)
    trap.connect()
    deadline = time.monotonic() + 300
    while trap.outbox.depth().sequences:
        assert time.monotonic() < deadline, trap.outbox.depth()
        time.sleep(0.05)
    trap.delivery.stop()
    trap.outbox.close()
    assert [len(files) for files in station.stored()] == [1] * waiting
    with sqlite3.connect(tmp_path / "data" / "catalogue.sqlite") as catalogue:
        assert catalogue.execute("SELECT COUNT(*) FROM sequences WHERE historical").fetchone() == (waiting,)
    catalogue.close()
