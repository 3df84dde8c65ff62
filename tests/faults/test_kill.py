"""`kill -9` at random moments on trap, broker and collector while a stream of bursts runs.

All are the real programs, each in its own process. At the end every burst is one sequence in the catalogue, with the
sha256 of each picture that was written into the trap's folder.
"""

import hashlib
import os
import random
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.conftest import jpeg
from tests.faults.station import SHIPPED_SAVING, Station

TRAP = """
trap = "ridge-1"
bundle = "{folder}/eager-1.uncia"
state = "{folder}/state"
[camera]
kind = "watched"
folder = "{folder}/DCIM"
settle_s = 0.1
quiet_s = 0.3
[broker]
port = {port}
keepalive_s = 5
"""


class Stream:
    """A camera that writes a burst of three pictures about every second, until `stop`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.bursts = folder / "DCIM" / "100TRAPS", list[tuple[str, ...]]()
        self.folder.mkdir(parents=True)
        self._chance, self._ended = random.Random(1), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop; when this returns, the last burst is complete."""
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ended.wait(self._chance.uniform(0.2, 1.8)):
            number = len(self.bursts)
            files = [self._picture(number, n) for n in range(3)]
            self.bursts.append(tuple(hashlib.sha256(file.read_bytes()).hexdigest() for file in files))
            for file in files:  # one after the other at once: a busy machine must not make two bursts of them
                file.rename(file.with_suffix(".JPG"))

    def _picture(self, number: int, n: int) -> Path:
        """Write one picture under another name; bursts are a hundred seconds of camera time apart."""
        aside = self.folder / f"B{number:04d}-{n}.part"
        aside.write_bytes(jpeg(10_000 + 10 * number + n, (160, 120)))
        os.utime(aside, (1_700_000_000 + 100 * number + n,) * 2)
        return aside


@pytest.fixture
def station(tmp_path: Path, start_mosquitto: Any, eager_bundle: Path) -> Iterator[Station]:
    """A base station, and one trap for which every burst is positive."""
    station = Station(tmp_path, start_mosquitto(SHIPPED_SAVING))
    (tmp_path / "eager-1.uncia").write_bytes(eager_bundle.read_bytes())
    station.configure("trap", TRAP)
    yield station
    station.close()


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.faults)])
def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path: Path, station: Station, rounds: int) -> None:
    """Every burst is in the catalogue as one sequence, and every frame has the right sha256."""
    stream, chance = Stream(tmp_path), random.Random(rounds)
    station.start("collector")
    station.start("trap")
    for number in range(rounds):
        time.sleep(chance.uniform(0.1, 3.0))
        if number % 3 == 0:
            victims = chance.sample(["trap", "broker", "collector"], 3)
        station.kill(victim := victims.pop())
        station.start(victim)
    stream.stop()
    deadline = time.monotonic() + 240
    while (stored := station.stored()) != sorted(stream.bursts):
        assert time.monotonic() < deadline, f"{len(stored)} of {len(stream.bursts)}: {station.log('trap')[-2000:]}"
        time.sleep(1.0)
