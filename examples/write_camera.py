"""A camera of one's own: the trap's scoring with bursts from anywhere.

python examples/write_camera.py BUNDLE FOLDER [FOLDER ...]     (each folder a burst)

A live camera for `uncia-trap run` has `retry_later`, `decided` and `problems` besides (`uncia_edge.camera.cameras`)
and a line in `uncia_edge.camera.factory`.
"""

import sys
from collections.abc import Iterator
from datetime import UTC
from functools import partial
from pathlib import Path

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.scoring.score_burst import score_burst
from uncia_edge.camera.cameras import ArrivedBurst, Camera, read_frame


class FolderCamera:
    """Hands over one burst a folder."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders, self._closed = folders, False

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Each folder once."""
        for folder in self._folders:
            if self._closed:
                return
            frames = tuple(read_frame(file, UTC) for file in sorted(folder.glob("*.jpg")))
            yield ArrivedBurst(folder.name, frames)

    def close(self) -> None:
        """No more bursts."""
        self._closed = True


camera: Camera = FolderCamera([Path(folder) for folder in sys.argv[2:]])
classifier = Classifier(read_bundle(Path(sys.argv[1])))
for burst in camera.bursts():
    verdict = score_burst([partial(Path.open, frame.path, "rb") for frame in burst.frames], classifier)
    print(burst.name, "unreadable" if verdict is None else f"{verdict.decision.confidence:.2f}")
