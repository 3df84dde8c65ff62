"""How many pictures may be decoded at the same time.

Decides by what the largest one so far took: many cores decode small files together, large files wait for each other.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition

# Two files of 5 MB, where they are in memory, each with its 12 megapixels at an eighth of their scale (0.75 MB).
ROOM_BYTES = 12 * 1024 * 1024
_UNTIL_KNOWN = 2


class DecodingRoom:
    """Memory that pictures being decoded share. Safe to use from several threads."""

    def __init__(self, room_bytes: int = ROOM_BYTES) -> None:
        self._room_bytes, self._largest_bytes, self._busy = room_bytes, 0, 0
        self._turn = Condition()

    @property
    def places(self) -> int:
        """How many may be decoded at a time; one always may."""
        return max(1, self._room_bytes // self._largest_bytes) if self._largest_bytes else _UNTIL_KNOWN

    @contextmanager
    def place(self) -> Iterator[None]:
        """Waits for a place, and gives it up afterwards."""
        with self._turn:
            self._turn.wait_for(lambda: self._busy < self.places)
            self._busy += 1
        try:
            yield
        finally:
            with self._turn:
                self._busy -= 1
                self._turn.notify_all()

    def took(self, picture_bytes: int) -> None:
        """Takes note of what one picture took: its pixels, and its file where that is in memory."""
        with self._turn:
            self._largest_bytes = max(self._largest_bytes, picture_bytes)
            self._turn.notify_all()
