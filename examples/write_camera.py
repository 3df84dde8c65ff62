"""Write your own camera and score its bursts as the trap does.

python examples/write_camera.py BUNDLE FOLDER [FOLDER ...]     (each folder is a burst)

A live camera for `uncia-trap run` also has `retry_later`, `decided` and `problems` (`uncia_edge.camera.cameras`), and
`uncia_edge.camera.factory` must open it.
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
    """Gives one burst for each folder."""

    def __init__(self, folders: list[Path]) -> None:
        self._folders, self._closed = folders, False

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Yield each folder as a burst, once."""
        for folder in self._folders:
            if self._closed:
                return
            frames = tuple(read_frame(file, UTC) for file in sorted(folder.glob("*.jpg")))
            yield ArrivedBurst(folder.name, frames)

    def close(self) -> None:
        """End `bursts` before the next folder."""
        self._closed = True


camera: Camera = FolderCamera([Path(folder) for folder in sys.argv[2:]])
classifier = Classifier(read_bundle(Path(sys.argv[1])))
for burst in camera.bursts():
    verdict = score_burst([partial(Path.open, frame.path, "rb") for frame in burst.frames], classifier)
    print(burst.name, "unreadable" if verdict is None else f"{verdict.decision.confidence:.2f}")
