"""Verdicts on rendered bursts by the rules of a bundle, with a fixed score for each crop.

`tests/fixtures/schema-1/verdicts.json` was made with commit 5db8842, before there was a second look:
`python -m support.stored_verdicts BUNDLE ... > verdicts.json`.
"""

import hashlib
import io
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from msgspec.structs import astuple
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.manifest import Manifest
from uncia_contract.scoring.score_burst import score_burst

SIZE = (640, 480)


class Stored:
    """Gives each model input a score that is made from its SHA-256."""

    def __init__(self, manifest: Manifest) -> None:
        self.manifest = manifest

    def score(self, image: NDArray[np.uint8]) -> float:
        """A score in [0, 1)."""
        return int.from_bytes(hashlib.sha256(image.tobytes()).digest()[:4]) / 2**32


def picture(seed: int, left: float | None = None, side: float = 0.15) -> bytes:
    """A blurred slope, with a pale animal at that place from left to right."""
    noise = np.random.default_rng(seed // 100).integers(60, 120, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(noise).resize(SIZE, Image.Resampling.BICUBIC)
    if left is not None:
        box = (SIZE[0] * left, SIZE[1] * 0.5, SIZE[0] * left + SIZE[1] * side, SIZE[1] * (0.5 + side))
        ImageDraw.Draw(image).ellipse(box, fill=(235, 230, 220 - seed % 100))
    out = io.BytesIO()
    image.save(out, "jpeg", quality=90)
    return out.getvalue()


def bursts() -> dict[str, list[bytes]]:
    """The rendered bursts, by name."""
    walking = {
        f"{kind} {n}": [picture(100 * n + step, 0.1 + 0.09 * step, side) for step in range(n)]
        for kind, side in (("small", 0.08), ("large", 0.4))
        for n in (2, 3, 5, 9)
    }
    still = {f"still {n}": [picture(100 * n)] * n for n in (1, 2, 3, 10)}
    return walking | still


def verdicts(bundle: Path, every_frame: bool) -> dict[str, Any]:
    """For each burst's name: confidence, bound, and each frame's score, region and reason."""
    scorer = Stored(read_bundle(bundle).manifest)
    told = {}
    for name, pictures in bursts().items():
        readers = [partial(bytes, one) for one in pictures]
        verdict = score_burst(readers, scorer, every_frame=every_frame, workers=1)
        assert verdict is not None
        frames = [[one.score, astuple(one.region) if one.region else None, one.reason] for one in verdict.frames]
        told[name] = [verdict.decision.confidence, verdict.decision.upper_bound, frames]
    return told


def main(bundles: list[str]) -> None:
    """Print the verdicts as JSON."""
    said = {f"{Path(one).name} {every}": verdicts(Path(one), every) for one in bundles for every in (False, True)}
    json.dump(said, sys.stdout, indent=0)


if __name__ == "__main__":
    main(sys.argv[1:])
