"""Fixtures of the fault tests: power cuts by replay."""

import hashlib
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.end_to_end.conftest import eager_bundle

from support.power_cut import Recording, compile_shim, record

__all__ = ["eager_bundle"]
Check = Callable[[Path, list[str]], str | None]


class Power:
    """Records the file operations of a script with the shim, and replays power cuts."""

    def __init__(self, shim: Path, folder: Path) -> None:
        self.shim, self.folder = shim, folder
        memory = Path("/dev/shm")  # in memory, a thousand disks take only seconds
        name = "uncia-" + hashlib.sha256(str(folder).encode()).hexdigest()[:12]
        self.disk = (memory if memory.is_dir() else folder) / name

    def record(self, script: str, *arguments: str) -> Recording:
        """Run a Python script with an empty folder as its first argument, and record it."""
        root = self.folder / "root"
        root.mkdir()
        command = [sys.executable, "-c", script, str(root), *arguments]
        return record(command, root, self.shim, {"PYTHONPATH": ":".join(sys.path)})

    def faults(self, recording: Recording, check: Check, states: int) -> list[str]:
        """The problems that `check` finds on `states` disks, each as a power cut may leave it."""
        found = [check(self.disk, promises) for promises in recording.states(states, self.disk, seed=7)]
        assert len(found) == states, f"{len(found)} disks were built, not {states}"
        return [fault for fault in found if fault is not None]


@pytest.fixture(scope="session")
def shim(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled recorder."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("NO C COMPILER: install gcc; power cuts were not tested")
    return compile_shim(tmp_path_factory.mktemp("shim"))


@pytest.fixture
def power(shim: Path, tmp_path: Path) -> Iterator[Power]:
    """The power-cut harness."""
    power = Power(shim, tmp_path)
    yield power
    shutil.rmtree(power.disk, ignore_errors=True)
