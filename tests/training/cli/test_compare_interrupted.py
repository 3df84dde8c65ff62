"""After Ctrl-C a comparison keeps its computed results, and the same command continues."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_training.cli.main import main

pytestmark = pytest.mark.heavy

PICTURES, REPEATS, FOLDS = 160, 12, 4


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Bright cats and dark dogs; no two pictures are equal."""
    folder = tmp_path_factory.mktemp("data")
    chance = np.random.default_rng(6)
    for number in range(PICTURES):
        label, level = ("cat", 120) if number % 2 else ("dog", 90)
        (folder / label).mkdir(exist_ok=True)
        noise = chance.integers(0, 90, (9, 12, 3), dtype=np.uint8) + np.uint8(level)
        Image.fromarray(noise).resize((800, 600)).save(folder / label / f"{number}.jpg")
    return folder


def arguments(data: Path, out: Path) -> list[str]:
    return ["compare", "--data", str(data), "--positive", "cat", "--system", "L120", "--repeats", str(REPEATS),
            "--out", str(out)]  # fmt: skip


def features(cache: Path) -> int:
    return sum(keys.read_bytes().count(b"\n") for keys in cache.glob("features/*/*/keys.txt"))


def fits(cache: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in cache.glob("fits/*.npz")}


@pytest.mark.parametrize("begun", [features, fits], ids=["while features are computed", "while systems are fitted"])
def test_ctrl_c_keeps_results_and_a_rerun_continues(data: Path, tmp_path: Path, begun) -> None:
    """SIGINT to a real process: exit code 130, one line, no report; kept results are not computed again."""
    cache, line = tmp_path / "cache", arguments(data, tmp_path / "run")
    program = subprocess.Popen([sys.executable, "-m", "uncia_training", *line], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not begun(cache):
        assert program.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    program.send_signal(signal.SIGINT)
    said = program.communicate(timeout=60)[1]
    kept, rows = fits(cache), features(cache)
    assert (program.returncode, "same command again" in said, "Traceback" in said) == (130, True, False)
    assert not (tmp_path / "run" / "report.json").exists()
    assert main(line) == 0
    assert fits(cache).items() >= kept.items()
    assert (rows <= PICTURES, features(cache), len(fits(cache))) == (True, PICTURES, REPEATS * FOLDS)
    assert len(kept) < REPEATS * FOLDS
