"""Each change of the card during a burst, a receipt, a start or an offer is refused, one after another.

With ENOSPC, EIO and EROFS; each change by itself, and each with all later ones. The trap goes on observing, and when
the card works again the burst is stored exactly once and completely, and no file is left behind.
"""

import errno
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support.bad_card import compile_bad_card

ROOT = Path(__file__).parents[2]
LEAST = {"burst": 25, "receipt": 3, "start": 3, "offer": 15}  # with fewer changes, the shim did not work


@pytest.fixture(scope="module")
def bad_card(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled shim."""
    if shutil.which("cc") is None and shutil.which("gcc") is None:
        pytest.skip("NO C COMPILER: install gcc; a card that refuses was not tested")
    return compile_bad_card(tmp_path_factory.mktemp("shim"))


def memory(tmp_path: Path) -> Path:
    """A folder in memory if there is one, because hundreds of small disks take only seconds there."""
    fast = Path("/dev/shm")
    return (fast if fast.is_dir() else tmp_path) / f"uncia-refusals-{os.getpid()}-{tmp_path.name[-20:]}"


def run_under(bad_card: Path, module: str, folder: Path, *arguments: str) -> str:
    """Run a module of this folder under the shim; return what it prints."""
    environment = {**os.environ, "LD_PRELOAD": str(bad_card), "PYTHONPATH": ":".join([str(ROOT), *sys.path])}
    command = [sys.executable, "-m", f"tests.faults.{module}", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment, cwd=ROOT)
    shutil.rmtree(folder, ignore_errors=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


CODES = pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EROFS], ids=["ENOSPC", "EIO", "EROFS"])


@CODES
@pytest.mark.parametrize("what", list(LEAST))
def test_any_change_may_be_refused(bad_card: Path, tmp_path: Path, what: str, code: int) -> None:
    """Whichever change is refused, nothing is lost, stored twice, stored in part or left behind."""
    folder = memory(tmp_path)
    *wrong, last = run_under(bad_card, "refusals", folder, what, str(code)).splitlines()
    assert wrong == []
    assert int(last.removeprefix("changes ")) >= LEAST[what], last


@CODES
def test_the_running_trap_goes_on_tells_and_recovers(bad_card: Path, tmp_path: Path, code: int) -> None:
    """While the card refuses everything, bursts are scored and the state says so; all four are stored once."""
    seen = json.loads(run_under(bad_card, "degraded", tmp_path / "trap", str(code)))
    assert any(reason.startswith("the card refuses: ") for reason in seen["told"]), seen["told"]
    assert "2 bursts wait for room on the card" in seen["told"]
    assert seen["silent"] == []
    assert set(seen["scored_while_refused"]) == {3} and len(seen["scored_while_refused"]) >= 2
    assert (seen["waiting"], seen["bursts"], seen["frames"]) == (4, 4, 12)
