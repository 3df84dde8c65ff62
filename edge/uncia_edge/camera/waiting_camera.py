"""A live camera that need not be there yet.

Decides what a trap does whose camera is away when it starts: it delivers what waits, tells the base station why it sees
nothing, and looks for the camera again and again. Ending it would mend nothing, and would silence it.
"""

import logging
import threading
from collections.abc import Callable, Iterator, Sequence

from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError, LiveCamera

_log = logging.getLogger(__name__)

LOOK_S = 10.0


class PatientCamera:
    """The camera that `open_it` gives, now or later; `beat` is called while it is waited for."""

    def __init__(self, open_it: Callable[[], LiveCamera], beat: Callable[[], None] = lambda: None) -> None:
        self._open, self._beat = open_it, beat
        self._closing = threading.Event()
        self._camera: LiveCamera | None = None
        self._absent: str | None = None
        self._try()

    @property
    def troubles(self) -> Sequence[str]:
        """Why it sees nothing, or what of the camera does not work."""
        if self._camera is None:
            return [f"no camera: {self._absent}"]
        return self._camera.troubles

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Those of the camera, once it is there."""
        while self._camera is None and not self._wait():
            self._try()
        if self._camera is not None and not self._closing.is_set():
            yield from self._camera.bursts()

    def again(self) -> None:
        """See `LiveCamera`."""
        if self._camera is not None:
            self._camera.again()

    def close(self) -> None:
        """See `LiveCamera`."""
        self._closing.set()
        if self._camera is not None:
            self._camera.close()

    def _wait(self) -> bool:
        """Whether it was closed before the next look."""
        for _ in range(round(LOOK_S)):
            self._beat()
            if self._closing.wait(1.0):
                return True
        return False

    def _try(self) -> None:
        try:
            self._camera = self._open()
        except CameraAbsentError as error:
            if self._absent is None:
                _log.error("%s; the trap delivers what it has, and looks again every %g s", error, LOOK_S)
            self._absent = str(error)
            return
        if self._absent is not None:
            _log.info("the camera is there")
