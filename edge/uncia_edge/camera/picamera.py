"""The camera `picamera2`: a Raspberry Pi's own camera, triggered by a PIR sensor.

Decides when pictures are taken; some from before the trigger are kept. They are written to a spool folder, which is
read like any watched folder (`watched`), so that a restart finds them. picamera2 and gpiozero are imported only when
this camera is configured. We have not run it on a Pi: it was developed with gpiozero's mock pins and a stand-in for
picamera2.
"""

import io
import logging
import os
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

import msgspec

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.errors import ConfigurationError
from uncia_contract.files import TEMPORARY, make_folder, replacing
from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError
from uncia_edge.camera.watched import WatchedCamera, WatchSettings

_log = logging.getLogger(__name__)


class StillCamera(Protocol):
    """A camera that takes one picture at a time."""

    def capture(self) -> bytes:
        """Take a picture and return its JPEG bytes.

        Raises:
            OSError, RuntimeError: the camera failed.
        """

    def close(self) -> None:
        """Release the camera."""


class MotionSensor(Protocol):
    """The part of gpiozero's DigitalInputDevice that is used here."""

    when_activated: Callable[[], None] | None

    @property
    def is_active(self) -> bool:
        """Whether the sensor reports motion now."""

    def close(self) -> None:
        """Release the pin."""


class Trigger(msgspec.Struct, frozen=True):
    """How a trigger becomes a burst.

    While nothing moves, a picture is taken every `ring_s` seconds and the last `before` of them are kept. After the
    trigger `after` pictures follow, `interval_s` apart; motion during that time starts the count again.
    """

    before: int = 2
    after: int = 10
    interval_s: float = 0.5
    ring_s: float = 1.0


class TriggeredCamera:
    """Bursts of a camera that a sensor triggers.

    Args:
        camera: takes pictures.
        sensor: reports motion.
        spool: folder for pictures until the outbox has them; created if absent.
        rule: the bundle's burst rule.
        taken: see `WatchedCamera`.
        trigger: see `Trigger`.
        watch: see `WatchSettings`.
        heartbeat: called while the camera takes pictures: at least every `ring_s` and with each picture.
        waiting_heartbeat: called at least once a second while `bursts` waits for the next one.
    """

    def __init__(
        self,
        camera: StillCamera,
        sensor: MotionSensor,
        spool: Path,
        rule: BurstRule,
        taken: Callable[[Collection[str]], bool],
        trigger: Trigger | None = None,
        watch: WatchSettings | None = None,
        heartbeat: Callable[[], None] = lambda: None,
        waiting_heartbeat: Callable[[], None] = lambda: None,
    ) -> None:
        self._camera, self._sensor, self._heartbeat = camera, sensor, heartbeat
        self._trigger = trigger or Trigger()
        self._spool = spool
        make_folder(spool)
        for unfinished in spool.glob(f"*{TEMPORARY}"):
            unfinished.unlink(missing_ok=True)
        self._watched = WatchedCamera(
            spool, spool.with_suffix(".ledger"), rule, taken, watch=watch, heartbeat=waiting_heartbeat, times="trap"
        )
        self._ring: deque[tuple[float, bytes]] = deque(maxlen=self._trigger.before or None)
        self._motion, self._closing = threading.Event(), threading.Event()
        self._count, self._refused = 0, False
        self._unread: Collection[Path] = ()  # files of the current burst that could not be read
        self.lost = 0  # pictures that could not be written to the card
        sensor.when_activated = self._motion.set
        self._thread = threading.Thread(target=self._run, name="uncia-camera", daemon=True)

    def bursts(self) -> Iterator[ArrivedBurst]:
        """Yield each burst once it has ended; its files are deleted from the spool when the next one is asked for."""
        self._thread.start()
        try:
            for burst in self._watched.bursts():
                self._refused, self._unread = False, ()
                yield replace(burst, owned=True)
                if not self._refused:
                    _empty(burst, self._unread)
        finally:
            self.close()
            self._thread.join(10)  # the thread releases the camera, so that it can be opened again after a sleep

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        """Keep the files of the current burst in the spool: it could not be stored or read, and is given again."""
        self._refused = True
        self._watched.retry_later(unreadable)

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        """See `LiveCamera`. Files that could not be read stay in the spool.

        Contents are not passed on: only this camera writes into the spool, so no picture comes a second time.
        """
        self._unread = unreadable
        self._watched.decided({}, unreadable)

    @property
    def problems(self) -> Sequence[str]:
        """See `LiveCamera`."""
        lost = [f"{self.lost} pictures lost: the card would not take them"] if self.lost else []
        return [*self._watched.problems, *lost]

    def close(self) -> None:
        """See `Camera`."""
        self._closing.set()
        self._motion.set()
        self._watched.close()
        self._sensor.close()
        if not self._thread.is_alive():
            self._camera.close()

    def _run(self) -> None:
        try:
            self._take_pictures()
        finally:
            self._camera.close()

    def _take_pictures(self) -> None:
        while not self._closing.is_set():
            try:
                if self._motion.wait(self._trigger.ring_s):
                    self._take_burst()
                elif self._trigger.before:
                    self._ring.append((time.monotonic(), self._camera.capture()))
                self._heartbeat()
            except (OSError, RuntimeError) as error:  # no heartbeat: if it goes on, the watchdog restarts the trap
                _log.error("camera: %s", error)
                self._closing.wait(1.0)

    def _take_burst(self) -> None:
        """Write the kept pictures, then take `after` more, and go on while something moves.

        The wall clock is read once for each burst. So a clock that is set during a burst does not change the
        intervals between its frames.
        """
        offset_s = time.time() - time.monotonic()
        while self._ring:
            taken_s, content = self._ring.popleft()
            self._keep(offset_s + taken_s, content)
        left = self._trigger.after
        while left > 0 and not self._closing.is_set():
            if self._motion.is_set() or self._sensor.is_active:
                self._motion.clear()
                left = self._trigger.after
            self._keep(offset_s + time.monotonic(), self._camera.capture())
            self._heartbeat()
            left -= 1
            self._closing.wait(self._trigger.interval_s)

    def _keep(self, taken_s: float, content: bytes) -> None:
        """Write one picture under a temporary name, then rename it. It is not fsynced: the outbox does that later.

        If the card refuses the picture, it is lost and counted; the camera goes on, because a restart would not help.
        """
        self._count += 1
        stamp = datetime.fromtimestamp(taken_s, UTC)
        path = self._spool / f"{stamp:%Y%m%dT%H%M%S%f}-{os.getpid()}-{self._count:06d}.jpg"
        try:
            with replacing(path) as stream:
                stream.write(content)
                stream.flush()  # a write after it would set another time
                os.utime(stream.fileno(), (taken_s, taken_s))
        except OSError as error:
            self.lost += 1
            _log.error("picture lost, the spool cannot be written: %s", error)


def _empty(burst: ArrivedBurst, unread: Collection[Path]) -> None:
    """Delete the files of a stored burst from the spool, except those that could not be read."""
    failed = [failure.file for failure in burst.failures if not failure.unreadable]
    for path in [*(frame.path for frame in burst.frames if frame.path not in unread), *failed]:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            _log.error("%s stays in the spool: %s", path.name, error)


def load_picamera2() -> Any:
    """Import picamera2 and return its class Picamera2.

    Raises:
        ConfigurationError: picamera2 is not installed, or was built for another numpy.
    """
    try:
        from picamera2 import Picamera2
    except ImportError as error:
        raise ConfigurationError(
            "[camera] kind = 'picamera2': picamera2 is not installed; on Raspberry Pi OS: "
            "apt install python3-picamera2, and make the virtual environment with --system-site-packages"
        ) from error
    except ValueError as error:  # "numpy.dtype size changed": Raspberry Pi OS builds it for numpy 1
        raise ConfigurationError(
            f"[camera] kind = 'picamera2': it was built for another numpy ({error}); "
            "install the trap with the extra [pi], which keeps numpy below 2"
        ) from error
    return Picamera2


class PicameraStillCamera:
    """Takes pictures with the Pi's camera through picamera2.

    Raises:
        CameraAbsentError: picamera2 finds no camera.
        ConfigurationError: picamera2 cannot be used.
    """

    def __init__(self, width_px: int, height_px: int) -> None:
        picamera2 = load_picamera2()
        try:
            self._camera = picamera2()
        except (RuntimeError, IndexError) as error:
            raise CameraAbsentError(f"[camera] kind = 'picamera2': no camera answers: {error}") from error
        try:
            self._camera.configure(self._camera.create_still_configuration(main={"size": (width_px, height_px)}))
            self._camera.start()
        except RuntimeError as error:
            self._camera.close()
            raise CameraAbsentError(f"[camera] kind = 'picamera2': the camera does not start: {error}") from error

    def capture(self) -> bytes:
        """Take a picture and return its JPEG bytes."""
        stream = io.BytesIO()
        self._camera.capture_file(stream, format="jpeg")
        return stream.getvalue()

    def close(self) -> None:
        """Release the camera."""
        self._camera.close()


def pir_sensor(pin: int) -> MotionSensor:
    """The PIR sensor on a GPIO pin (BCM numbering).

    It reacts to edges. gpiozero's MotionSensor samples ten times a second and would miss a shorter pulse.

    Raises:
        ConfigurationError: gpiozero is not installed, or the pin cannot be used.
    """
    try:
        import gpiozero
    except ImportError as error:
        raise ConfigurationError("[camera] pir_pin: gpiozero is not installed; pip install 'uncia[pi]'") from error
    try:
        sensor: MotionSensor = gpiozero.DigitalInputDevice(pin)
    except gpiozero.GPIOZeroError as error:
        raise ConfigurationError(f"[camera] pir_pin = {pin}: {error}") from error
    return sensor
