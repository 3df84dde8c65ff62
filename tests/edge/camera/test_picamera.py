"""The Pi's camera, on gpiozero's mock pins and a stand-in for picamera2."""

import io
import sys
import threading
import time
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gpiozero
import pytest
from gpiozero.pins.mock import MockFactory
from PIL import Image

from support.full_disk import fill_disk
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.errors import ConfigurationError
from uncia_edge.camera.cameras import CameraAbsentError
from uncia_edge.camera.picamera import PicameraStillCamera, Trigger, TriggeredCamera, pir_sensor
from uncia_edge.camera.watched import WatchSettings

PIN = 4
TRIGGER = Trigger(before=2, after=3, interval_s=0.01, ring_s=0.02)
QUICK = WatchSettings(settle_s=0.05, quiet_s=0.3)


class CountingCamera:
    """A still camera whose pictures all differ; it fails while `broken` is set."""

    def __init__(self) -> None:
        self.taken, self.broken, self.closed = 0, False, 0

    def capture(self) -> bytes:
        if self.broken:
            raise RuntimeError("camera front end timed out")
        self.taken += 1
        stream = io.BytesIO()
        Image.new("RGB", (8, 8), (self.taken % 256, 0, 0)).save(stream, "JPEG")
        return stream.getvalue()

    def close(self) -> None:
        self.closed += 1


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


def camera_on(pins: Any, tmp_path: Path, stills: CountingCamera) -> TriggeredCamera:
    sensor = pir_sensor(PIN)
    return TriggeredCamera(stills, sensor, tmp_path / "spool", BurstRule(), lambda _: False, TRIGGER, QUICK)


def test_a_trigger_gives_a_burst_with_the_moment_before_it(pins: Any, tmp_path: Path) -> None:
    """Two pictures from before the trigger, three or more after it; the times are the trap's own."""
    stills = CountingCamera()
    camera = camera_on(pins, tmp_path, stills)
    bursts = camera.bursts()
    camera._thread.start = lambda: None  # type: ignore[method-assign]
    for _ in range(2):
        camera._ring.append((time.monotonic(), stills.capture()))
    pulse(pins)
    camera._take_burst()
    burst = next(bursts)
    assert len(burst.frames) >= 5
    assert burst.time_source == "trap"
    camera.close()


def test_a_pulse_shorter_than_a_sample_wakes_it(pins: Any) -> None:
    """The sensor reacts to edges: each of ten pulses of a millisecond is noticed."""
    sensor, heard = pir_sensor(PIN), threading.Event()
    sensor.when_activated = heard.set
    for _ in range(10):
        heard.clear()
        pulse(pins, 0.001)
        assert heard.wait(1)
    sensor.close()


def test_a_pulse_on_the_pin_gives_a_burst_that_began_before_it(pins: Any, tmp_path: Path) -> None:
    """With the camera's own thread: pictures are kept while nothing moves, then the pin triggers."""
    stills, moved_at = CountingCamera(), list[float]()
    camera = camera_on(pins, tmp_path, stills)

    def notice() -> None:
        moved_at.append(time.time())
        camera._motion.set()

    def walk_by() -> None:
        while stills.taken < 5:
            time.sleep(0.005)
        pulse(pins)

    camera._sensor.when_activated = notice
    threading.Thread(target=walk_by).start()
    burst = next(camera.bursts())
    camera.close()
    taken = [frame.taken_at.timestamp() for frame in burst.frames if frame.taken_at]
    assert len(taken) == len(burst.frames) >= 5
    assert sum(moment < moved_at[0] for moment in taken) == TRIGGER.before
    assert taken == sorted(taken)


def test_pictures_leave_the_spool_once_the_burst_is_safe(pins: Any, tmp_path: Path) -> None:
    """When the next burst is asked for, the files of the last one are deleted."""
    camera = camera_on(pins, tmp_path, CountingCamera())
    bursts = camera.bursts()
    camera._motion.set()
    first = next(bursts)
    assert all(frame.path.exists() for frame in first.frames)
    camera._motion.set()
    next(bursts)
    assert not any(frame.path.exists() for frame in first.frames)
    assert not {frame.path for frame in first.frames} & set(camera._watched._watcher._handed)
    camera.close()


def test_a_failing_camera_is_tried_again_and_gives_no_heartbeat(pins: Any, tmp_path: Path) -> None:
    """The thread goes on without heartbeats, so that the watchdog restarts a trap whose camera keeps failing."""
    beats: list[int] = []
    stills = CountingCamera()
    stills.broken = True
    sensor = pir_sensor(PIN)
    camera = TriggeredCamera(
        stills, sensor, tmp_path / "s", BurstRule(), lambda _: False, TRIGGER, QUICK, lambda: beats.append(1)
    )
    camera._thread.start()
    time.sleep(0.2)
    silent = len(beats)
    stills.broken = False
    deadline = time.monotonic() + 10
    while not beats and time.monotonic() < deadline:
        time.sleep(0.01)
    camera.close()
    assert (silent, bool(beats)) == (0, True)


def test_a_missing_picamera2_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says how to install it."""
    monkeypatch.setitem(sys.modules, "picamera2", None)
    with pytest.raises(ConfigurationError, match="apt install python3-picamera2"):
        PicameraStillCamera(640, 480)


class OtherNumpy:
    """Finds picamera2, and fails as Raspberry Pi OS's does beside numpy 2."""

    def find_spec(self, name: str, path: object, target: object = None) -> None:
        if name == "picamera2":
            raise ValueError("numpy.dtype size changed, may indicate binary incompatibility")


def test_a_picamera2_that_was_built_for_another_numpy_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """It says what to install."""
    monkeypatch.setattr(sys, "meta_path", [OtherNumpy(), *sys.meta_path])
    with pytest.raises(ConfigurationError, match=r"numpy\.dtype size changed.*extra \[pi\]"):
        PicameraStillCamera(640, 480)


@pytest.mark.parametrize("step", ["Picamera2", "configure", "start"])
def test_a_ribbon_that_is_loose_is_a_camera_that_may_come(monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    """Whichever step fails, the camera is released, so that the next attempt can open it."""
    closed: list[int] = []

    class Picamera2:
        def __init__(self) -> None:
            self.fail("Picamera2")

        def fail(self, here: str) -> None:
            if here == step:
                raise RuntimeError("Camera __init__ sequence did not complete.")

        def create_still_configuration(self, main: dict[str, Any]) -> dict[str, Any]:
            return main

        def configure(self, configuration: dict[str, Any]) -> None:
            self.fail("configure")

        def start(self) -> None:
            self.fail("start")

        def close(self) -> None:
            closed.append(1)

    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    with pytest.raises(CameraAbsentError, match="did not complete"):
        PicameraStillCamera(640, 480)
    assert bool(closed) is (step != "Picamera2")


def test_a_picture_that_a_power_cut_left_unfinished_is_deleted(pins: Any, tmp_path: Path) -> None:
    """It still has its temporary name."""
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "a.jpg.tmp").write_bytes(b"half")
    camera_on(pins, tmp_path, CountingCamera()).close()
    assert list((tmp_path / "spool").iterdir()) == []


def test_picamera2_is_configured_for_jpegs(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is configured and started, and captures into memory."""
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

        def close(self) -> None:
            calls.append("close")

    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    stills = PicameraStillCamera(640, 480)
    assert stills.capture() == b"jpeg"
    stills.close()
    assert calls == ["configure (640, 480)", "start", "close"]


def test_importing_the_runtime_imports_neither_picamera2_nor_gpiozero() -> None:
    """They are imported only when this camera is configured."""
    import subprocess

    code = "import sys, uncia_edge.service.runtime; sys.exit(any(m in sys.modules for m in ('picamera2', 'gpiozero')))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def burst_with(camera: TriggeredCamera, stills: CountingCamera) -> None:
    """Take two pictures from before the trigger and three after it, without the thread."""
    for _ in range(2):
        camera._ring.append((time.monotonic(), stills.capture()))
    camera._motion.set()
    camera._take_burst()


def test_a_clock_that_is_set_within_a_burst_does_not_split_it(
    pins: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From 1970 to 2026 between two pictures: one burst, its frames as far apart as they were taken."""
    stills, calendar = CountingCamera(), iter([100.0, *[1.8e9] * 100])
    camera = camera_on(pins, tmp_path, stills)
    monkeypatch.setattr("uncia_edge.camera.picamera.time", types.SimpleNamespace(
        time=lambda: next(calendar), monotonic=time.monotonic))  # fmt: skip
    burst_with(camera, stills)
    camera._thread.start = lambda: None  # type: ignore[method-assign]
    camera._thread.join = lambda timeout: None  # type: ignore[method-assign]
    burst = next(camera.bursts())
    assert len(burst.frames) == 5
    assert {frame.taken_at.year for frame in burst.frames if frame.taken_at} == {1970}
    camera.close()


def test_a_burst_that_the_card_refused_stays_in_the_spool(
    pins: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It comes again."""
    monkeypatch.setattr("uncia_edge.camera.watched.RETRY_S", 0.0)
    stills = CountingCamera()
    camera = camera_on(pins, tmp_path, stills)
    burst_with(camera, stills)
    camera._thread.start = lambda: None  # type: ignore[method-assign]
    camera._thread.join = lambda timeout: None  # type: ignore[method-assign]
    bursts = camera.bursts()
    first = next(bursts)
    camera.retry_later()
    second = next(bursts)
    assert [frame.path for frame in second.frames] == [frame.path for frame in first.frames]
    assert all(frame.path.exists() for frame in second.frames)
    assert second.owned
    camera.close()


def test_a_picture_that_could_not_be_read_stays_in_the_spool(pins: Any, tmp_path: Path) -> None:
    """The other pictures are deleted with their burst; this one is tried again."""
    stills = CountingCamera()
    camera = camera_on(pins, tmp_path, stills)
    burst_with(camera, stills)
    camera._thread.start = lambda: None  # type: ignore[method-assign]
    camera._thread.join = lambda timeout: None  # type: ignore[method-assign]
    bursts = camera.bursts()
    first = next(bursts)
    unread = first.frames[1].path
    camera.decided({}, [unread])
    again = next(bursts)
    assert [frame.path.exists() for frame in first.frames] == [frame.path == unread for frame in first.frames]
    assert [frame.path for frame in again.frames] == [unread]
    camera.close()


def test_pictures_that_the_card_refuses_are_counted_and_the_camera_goes_on(
    pins: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A restart would not help."""
    stills = CountingCamera()
    camera = camera_on(pins, tmp_path, stills)
    fill_disk(monkeypatch, tmp_path / "spool")
    burst_with(camera, stills)
    assert (camera.lost, stills.taken) == (5, 5)
    camera.close()


def test_the_camera_is_released_when_its_watch_ends(pins: Any, tmp_path: Path) -> None:
    """Otherwise it could not be opened again after a planned sleep."""
    stills = CountingCamera()
    camera = camera_on(pins, tmp_path, stills)
    camera._watched.close()
    assert (list(camera.bursts()), stills.closed >= 1, camera._thread.is_alive()) == ([], True, False)
