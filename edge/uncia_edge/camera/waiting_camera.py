"""A live camera that need not be there yet.

Decides what a trap does whose camera is absent when it starts: it delivers what waits, reports why there are no
pictures, and tries to open the camera again and again. A restart would not help, and would end the reports.
"""

import logging
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError, LiveCamera

_log = logging.getLogger(__name__)

RETRY_S = 10.0


class WaitingCamera:
    """The camera that `open_camera` returns, now or later; `heartbeat` is called while it is waited for."""

    def __init__(self, open_camera: Callable[[], LiveCamera], heartbeat: Callable[[], None] = lambda: None) -> None:
        self._open, self._heartbeat = open_camera, heartbeat
        self._closing = threading.Event()
        self._camera: LiveCamera | None = None
        self._absent: str | None = None
        self._try()

    @property
    def problems(self) -> Sequence[str]:
        """Why it is absent, or what of the camera does not work."""
        if self._camera is None:
            return [f"no camera: {self._absent}"]
        return self._camera.problems

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Those of the camera, once it is there."""
        while self._camera is None and not self._wait():
            self._try()
        if self._camera is not None and not self._closing.is_set():
            yield from self._camera.bursts()

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        """See `LiveCamera`."""
        if self._camera is not None:
            self._camera.retry_later(unreadable)

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        """See `LiveCamera`."""
        if self._camera is not None:
            self._camera.decided(contents, unreadable)

    def close(self) -> None:
        """See `LiveCamera`."""
        self._closing.set()
        if self._camera is not None:
            self._camera.close()

    def _wait(self) -> bool:
        """Whether it was closed before the next attempt."""
        for _ in range(round(RETRY_S)):
            self._heartbeat()
            if self._closing.wait(1.0):
                return True
        return False

    def _try(self) -> None:
        try:
            self._camera = self._open()
        except CameraAbsentError as error:
            if self._absent is None:
                _log.error("%s; the trap delivers what it has, and looks again every %g s", error, RETRY_S)
            self._absent = str(error)
            return
        if self._absent is not None:
            _log.info("the camera is there")
