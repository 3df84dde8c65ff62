"""Recorded bursts, and a bundle for which every burst is positive."""

import io
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.model.bundle import read_bundle, write_bundle

MODELS = Path(__file__).parents[2] / "models"
STARTER = MODELS / "snow-leopard-starter-2.uncia"


def jpeg(seed: int, size: tuple[int, int] = (320, 240)) -> bytes:
    """A smooth JPEG that differs for each seed."""
    cells = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(cells).resize(size, Image.Resampling.BICUBIC).save(out, "JPEG", quality=85)
    return out.getvalue()


def record_bursts(folder: Path, bursts: int, frames: int = 3) -> Path:
    """A folder of recorded bursts; every frame differs from every other."""
    for burst in range(bursts):
        here = folder / f"burst-{burst:02d}"
        here.mkdir(parents=True)
        for frame in range(frames):
            (here / f"IMG_{frame:04d}.JPG").write_bytes(jpeg(100 * burst + frame))
    return folder


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Two bursts of three frames."""
    return record_bursts(tmp_path / "recording", 2)


@pytest.fixture(scope="session")
def eager_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter bundle with a threshold of 0: every burst is positive."""
    starter = read_bundle(STARTER)
    manifest = msgspec.structs.replace(starter.manifest, name="eager", decision_rule=DecisionRule(0.0))
    path = tmp_path_factory.mktemp("bundle") / "eager-1.uncia"
    path.write_bytes(write_bundle(manifest, starter.members))
    return path
