"""The Pi's camera, on gpiozero's mock pins and a stand-in for picamera2."""

import io
import sys
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory
from PIL import Image

from uncia_contract.errors import ConfigurationError
from uncia_contract.frames import BurstRule
from uncia_edge.picamera import PicameraEye, Trigger, TriggeredCamera, pir_sensor
from uncia_edge.watched import WatchSettings

PIN = 4
TRIGGER = Trigger(before=2, after=3, interval_s=0.01, ring_s=0.02)
QUICK = WatchSettings(settle_s=0.05, quiet_s=0.3)


class CountingEye:
    """Pictures that differ; fails when told to."""

    def __init__(self) -> None:
        self.taken, self.broken = 0, False

    def capture(self) -> bytes:
        if self.broken:
            raise RuntimeError("camera front end timed out")
        self.taken += 1
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (self.taken % 256, 0, 0)).save(stream, "JPEG")
        return stream.getvalue()


@pytest.fixture
def pins() -> Iterator[Any]:
    gpiozero.Device.pin_factory = MockFactory()
    yield gpiozero.Device.pin_factory
    gpiozero.Device.pin_factory.reset()
    gpiozero.Device.pin_factory = None


def pulse(pins: Any, seconds: float = 0.3) -> None:
    pins.pin(PIN).drive_high()
    time.sleep(seconds)
    pins.pin(PIN).drive_low()


def camera_on(pins: Any, tmp_path: Path, eye: CountingEye) -> TriggeredCamera:
    sensor = pir_sensor(PIN)
    return TriggeredCamera(eye, sensor, tmp_path / "spool", BurstRule(), lambda _: False, TRIGGER, QUICK)


def test_a_trigger_gives_a_burst_with_the_moment_before_it(pins: Any, tmp_path: Path) -> None:
    """Two pictures of the ring, three or more after; times are the trap's own."""
    eye = CountingEye()
    camera = camera_on(pins, tmp_path, eye)
    bursts = camera.bursts()
    camera._thread.start = lambda: None  # type: ignore[method-assign]
    for _ in range(2):
        camera._ring.append((time.monotonic(), eye.capture()))
    pulse(pins)
    camera._take_burst()
    burst = next(bursts)
    assert len(burst.frames) >= 5
    assert burst.time_source == "trap"
    camera.close()


def test_pictures_leave_the_spool_once_the_burst_is_safe(pins: Any, tmp_path: Path) -> None:
    """Asked for the next burst, the spool of the last one is emptied."""
    camera = camera_on(pins, tmp_path, CountingEye())
    bursts = camera.bursts()
    camera._motion.set()
    first = next(bursts)
    assert all(frame.path.exists() for frame in first.frames)
    camera._motion.set()
    next(bursts)
    assert not any(frame.path.exists() for frame in first.frames)
    camera.close()


def test_a_failing_camera_is_tried_again_and_gives_no_beat(pins: Any, tmp_path: Path) -> None:
    """The thread survives; what feeds the watchdog stops, so that the service is restarted if it goes on."""
    beats: list[int] = []
    eye = CountingEye()
    eye.broken = True
    sensor = pir_sensor(PIN)
    camera = TriggeredCamera(
        eye, sensor, tmp_path / "s", BurstRule(), lambda _: False, TRIGGER, QUICK, lambda: beats.append(1)
    )
    camera._thread.start()
    time.sleep(0.2)
    silent = len(beats)
    eye.broken = False
    deadline = time.monotonic() + 10
    while not beats and time.monotonic() < deadline:
        time.sleep(0.01)
    camera.close()
    assert (silent, bool(beats)) == (0, True)


def test_a_missing_picamera2_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to install it."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ConfigurationError, match="apt install python3-picamera2"):
        PicameraEye(640, 480)


def test_the_eye_asks_picamera2_for_jpegs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Configured, started, captured into memory."""
    calls: list[str] = []

    class Picamera2:
        def create_still_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
            return main

        def configure(self, configuration: dict[str, Any]) -> None:
            calls.append(f"configure {configuration['size']}")

        def start(self) -> None:
            calls.append("start")

        def capture_file(self, stream: io.BytesIO, format: str) -> None:  # noqa: A002
            stream.write(format.encode())

    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    assert PicameraEye(640, 480).capture() == b"jpeg"
    assert calls == ["configure (640, 480)", "start"]


def test_importing_the_runtime_imports_neither_picamera2_nor_gpiozero() -> None:
    """Only a configured camera does."""
    import subprocess

    code = "import sys, uncia_edge.runtime; sys.exit(any(m in sys.modules for m in ('picamera2', 'gpiozero')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
