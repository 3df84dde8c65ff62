"""The open bursts of a watched folder: one set for the whole folder, or one for each of its first-level folders.

Decides which camera a file belongs to. With `[camera] per_folder`, each first-level folder is a camera, named as the
folder. A name with characters that messages do not allow gets `_` for each of them and ends with eight digits of its
sha256, so that two folders never share an id. Files directly in the watched folder belong to the trap itself, and so
do all files without `per_folder`.
"""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from uncia_contract.bursts.frames import Burst, BurstRule, Frame
from uncia_contract.messages.records import CAMERA_ID
from uncia_edge.camera.burst_assembler import BurstAssembler, Waits, never

_STRANGE = re.compile(r"[^A-Za-z0-9_.-]")


class Assemblers:
    """One `BurstAssembler` for each camera, with the methods of a single one.

    Args:
        folder: the watched folder.
        rule: the burst rule of the bundle.
        quiet_s: see `BurstAssembler`.
        per_folder: whether each first-level folder is a camera.
    """

    def __init__(self, folder: Path, rule: BurstRule, quiet_s: float | None, per_folder: bool) -> None:
        self._folder, self._rule, self._quiet_s, self._per_folder = folder, rule, quiet_s, per_folder
        self._of_each: dict[str, BurstAssembler] = {}

    def camera_of(self, path: Path) -> str:
        """The id of the camera that took a file; empty for the trap itself."""
        parts = path.relative_to(self._folder).parts
        return _camera_id(parts[0]) if self._per_folder and len(parts) > 1 else ""

    def __len__(self) -> int:
        return sum(map(len, self._of_each.values()))

    def add(self, frames: Iterable[Frame], now_s: float) -> None:
        """Add each frame to its camera's assembler (see `BurstAssembler.add`)."""
        for frame in frames:
            self._of(frame.path).add([frame], now_s)

    def drop(self, path: Path) -> None:
        """Remove an open frame."""
        self._of(path).drop(path)

    def take_back(self, piece: Sequence[Frame], frames: Iterable[Frame], now_s: float) -> None:
        """Make the frames of a piece open again (see `BurstAssembler.take_back`)."""
        self._of(piece[0].path).take_back(piece, frames, now_s)

    def due(self, now_s: float, waits: Waits = never) -> Iterator[Burst]:
        """Release the bursts that have ended by `now_s`, camera by camera."""
        for one in list(self._of_each.values()):
            yield from one.due(now_s, waits)

    def surplus(self, waits: Waits = never) -> Burst | None:
        """Release the oldest burst of a camera with too many open frames; None when no camera has."""
        return next((burst for one in self._of_each.values() if (burst := one.surplus(waits)) is not None), None)

    def earlier(self, late: Burst) -> Burst | None:
        """The earlier released burst of the same event; None when there is none."""
        return self._of(late.frames[0].path).earlier(late)

    def _of(self, path: Path) -> BurstAssembler:
        camera = self.camera_of(path)
        if camera not in self._of_each:
            self._of_each[camera] = BurstAssembler(self._rule, self._quiet_s)
        return self._of_each[camera]


def _camera_id(name: str) -> str:
    if re.fullmatch(CAMERA_ID, name):
        return name
    return f"{_STRANGE.sub('_', name)[:22]}-{hashlib.sha256(os.fsencode(name)).hexdigest()[:8]}"
