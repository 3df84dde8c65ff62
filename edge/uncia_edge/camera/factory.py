"""Which camera a configuration asks for."""

from collections.abc import Callable
from datetime import timedelta, timezone, tzinfo
from functools import partial
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.errors import ConfigurationError
from uncia_edge.camera.cameras import Camera, LiveCamera
from uncia_edge.camera.recorded import RecordedCamera
from uncia_edge.camera.waiting_camera import PatientCamera
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.outbox.store import Outbox
from uncia_edge.settings import TrapSettings


def open_camera(settings: TrapSettings, rule: BurstRule, outbox: Outbox, beat: Callable[[str], None]) -> Camera:
    """The configured camera; a live one calls `beat("observing")`, the Pi's own `beat("camera")` too, while it works.

    A live one that is not there yet is waited for.

    Raises:
        ConfigurationError: its folder is not named; its libraries are not there.
        DataError: the folder holds no recording.
    """
    camera = settings.camera
    if camera.kind == "picamera2":
        return PatientCamera(lambda: _pi_camera(settings, rule, outbox, beat), lambda: _both(beat))
    if not camera.folder:
        raise ConfigurationError(f"[camera] folder: not set; expected the folder of the {camera.kind} pictures")
    zone = timezone(timedelta(hours=camera.utc_offset_h))
    look = partial(beat, "observing")
    if camera.kind == "recorded":
        return RecordedCamera(Path(camera.folder), zone, rule if camera.group == "times" else None, camera.pace, look)
    return PatientCamera(lambda: _watched_camera(settings, rule, outbox, zone, look), look)


def _watched_camera(
    settings: TrapSettings, rule: BurstRule, outbox: Outbox, zone: tzinfo, look: Callable[[], None]
) -> LiveCamera:
    folder, ledger = Path(settings.camera.folder), Path(settings.state) / "watched.jsonl"
    return WatchedCamera(folder, ledger, rule, outbox.has_taken, zone, _watch(settings), look)


def _both(beat: Callable[[str], None]) -> None:
    beat("camera")
    beat("observing")


def _pi_camera(settings: TrapSettings, rule: BurstRule, outbox: Outbox, beat: Callable[[str], None]) -> LiveCamera:
    from uncia_edge.camera.picamera import PicameraEye, Trigger, TriggeredCamera, pir_sensor

    camera = settings.camera
    eye = PicameraEye(camera.width_px, camera.height_px)
    trigger = Trigger(camera.before, camera.after, camera.interval_s)
    spool = Path(settings.state) / "spool"
    signs = partial(beat, "camera"), partial(beat, "observing")
    sensor = pir_sensor(camera.pir_pin)
    return TriggeredCamera(eye, sensor, spool, rule, outbox.has_taken, trigger, _watch(settings), *signs)


def _watch(settings: TrapSettings) -> WatchSettings:
    return WatchSettings(settings.camera.watch, settings.camera.settle_s, settings.camera.quiet_s)
