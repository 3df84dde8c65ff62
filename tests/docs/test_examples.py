"""The scripts in examples/ run as they are, and say what they should."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.listing import listing
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, CollectorSettings
from uncia_simulation import scenes

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / "models" / "rendered-demo-1.uncia"


def run(name: str, *words: object) -> str:
    """What the example prints; its exit code is 0."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples" / name), *map(str, words)],
        check=False, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bursts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A leopard and an ibex, as `make simulate` renders them."""
    folder = tmp_path_factory.mktemp("bursts")
    for number, scene in enumerate(scenes._demonstration_scenes(7)):
        if number in (0, 2):
            scenes._render(scene, folder / scene.label, [7, number], 31 + 20 * number)
    return folder


def test_a_folder_is_scored(bursts: Path) -> None:
    """A line a frame, and the verdict."""
    *frames, verdict = run("score_folder.py", BUNDLE, bursts / "snow_leopard").splitlines()
    assert (len(frames), verdict.startswith("snow_leopard: "), verdict.endswith("positive")) == (6, True, True)


def test_a_camera_of_ones_own_hands_over_bursts(bursts: Path) -> None:
    """Each folder one."""
    lines = run("write_camera.py", BUNDLE, bursts / "snow_leopard", bursts / "other").splitlines()
    assert [line.split()[0] for line in lines] == ["snow_leopard", "other"]
    assert float(lines[0].split()[1]) > float(lines[1].split()[1])


def test_a_head_is_trained(bursts: Path, tmp_path: Path) -> None:
    """And written as a bundle holds it."""
    told = run("train_head.py", BUNDLE, bursts, tmp_path / "head.npz")
    assert "other, snow_leopard; accuracy 1.00 on 10 pictures" in told
    assert (tmp_path / "head.npz").is_file()


@pytest.fixture
def station(mosquitto, tmp_path: Path) -> Iterator[tuple[int, Path]]:
    """A base station: the broker's port, and its folder."""
    settings = CollectorSettings(
        data=str(tmp_path / "data"), broker=BrokerSettings("127.0.0.1", mosquitto.port), http=None
    )
    collector = Collector(settings)
    collector.start()
    try:
        collector.wait_ready()
        yield mosquitto.port, tmp_path / "data"
    finally:
        collector.stop()


def test_a_sequence_published_by_hand_is_in_the_catalogue(station: tuple[int, Path], bursts: Path) -> None:
    """The receipt came, and the example that reads the catalogue counts it."""
    port, data = station
    pictures = sorted((bursts / "snow_leopard").glob("*.jpg"))
    assert "the record and 6 frames" in run("publish_sequence.py", "127.0.0.1", port, "ridge-01", *pictures)
    catalogue = next(data.glob("*.sqlite"))
    assert [row["complete"] for row in listing(Database(f"sqlite:///{catalogue}"))] == [True]
    assert run("read_catalogue.py", catalogue) == "ridge-01: 1\n"


def test_every_example_is_run_here() -> None:
    """By name."""
    here = Path(__file__).read_text()
    assert [path.name for path in sorted((ROOT / "examples").glob("*.py")) if f'"{path.name}"' not in here] == []
