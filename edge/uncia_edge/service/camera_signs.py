"""When each camera of a hub last gave a sign of life: a burst of its own, kept over restarts.

Decides that only what came counts: a camera that nobody has heard of is the base station's to miss.
"""

import logging
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from uncia_contract.errors import UNDECODABLE
from uncia_contract.files import write_atomic
from uncia_contract.messages.records import MAX_CAMERAS, CameraSign

_log = logging.getLogger(__name__)

FILE = "cameras.json"


class CameraSigns:
    """Of one trap, in its state folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._now, self._changed = folder / FILE, now, False
        try:
            self._signs = {
                one.camera: one for one in msgspec.json.decode(self._path.read_bytes(), type=list[CameraSign])
            }
        except (OSError, *UNDECODABLE):
            self._signs = {}

    def note(self, camera: str) -> None:
        """A burst of this camera came; the trap's own need no note."""
        if camera:
            before = self._signs.pop(camera, CameraSign(camera, self._now()))
            self._signs[camera] = CameraSign(camera, self._now(), before.bursts + 1)
            self._changed = True

    @property
    def told(self) -> tuple[CameraSign, ...]:
        """As a state tells them, by name; the latest ones where there are too many."""
        return tuple(sorted(list(self._signs.values())[-MAX_CAMERAS:], key=lambda one: one.camera))

    def save(self) -> None:
        """Write what is new; a card that refuses costs the memory of a restart."""
        if not self._changed:
            return
        try:
            write_atomic(self._path, msgspec.json.encode(list(self._signs.values())))
            self._changed = False
        except OSError as error:
            _log.warning("%s: %s", self._path, error)
