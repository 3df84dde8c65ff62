"""When the last burst of each camera of a hub came, and how many came; kept over restarts.

Only cameras that sent a burst are listed: the base station decides which cameras are missing.
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
    """The last signs of a hub's cameras, in the trap's state folder."""

    def __init__(self, folder: Path, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._path, self._now, self._changed = folder / FILE, now, False
        try:
            self._signs = {
                one.camera: one for one in msgspec.json.decode(self._path.read_bytes(), type=list[CameraSign])
            }
        except (OSError, *UNDECODABLE):
            self._signs = {}

    def note(self, camera: str) -> None:
        """Note a burst of this camera; an empty id (the trap itself) is not noted."""
        if camera:
            before = self._signs.pop(camera, CameraSign(camera, self._now()))
            self._signs[camera] = CameraSign(camera, self._now(), before.bursts + 1)
            self._changed = True

    @property
    def told(self) -> tuple[CameraSign, ...]:
        """The signs for a state message, by name; only the latest `MAX_CAMERAS`."""
        return tuple(sorted(list(self._signs.values())[-MAX_CAMERAS:], key=lambda one: one.camera))

    def save(self) -> None:
        """Write changes to the card; if it refuses, that is only logged."""
        if not self._changed:
            return
        try:
            write_atomic(self._path, msgspec.json.encode(list(self._signs.values())))
            self._changed = False
        except OSError as error:
            _log.warning("%s: %s", self._path, error)
