"""Which camera a configuration asks for."""

from collections.abc import Callable
from datetime import timedelta, timezone
from functools import partial
from pathlib import Path

from uncia_contract.errors import ConfigurationError
from uncia_contract.frames import BurstRule
from uncia_edge.cameras import Camera
from uncia_edge.outbox import Outbox
from uncia_edge.recorded import RecordedCamera
from uncia_edge.settings import TrapSettings
from uncia_edge.watched import WatchedCamera, WatchSettings


def open_camera(settings: TrapSettings, rule: BurstRule, outbox: Outbox, beat: Callable[[str], None]) -> Camera:
    """The configured camera; a live one calls `beat("observing")`, the Pi's own `beat("camera")` too, while it works.

    Raises:
        ConfigurationError: its folder is not named; its hardware or its libraries are not there.
        DataError: the folder is not there, or holds no recording.
    """
    camera = settings.camera
    if camera.kind == "picamera2":
        return _pi_camera(settings, rule, outbox, beat)
    if not camera.folder:
        raise ConfigurationError(f"[camera] folder: not set; expected the folder of the {camera.kind} pictures")
    zone = timezone(timedelta(hours=camera.utc_offset_h))
    if camera.kind == "recorded":
        return RecordedCamera(Path(camera.folder), zone)
    ledger = Path(settings.state) / "watched.jsonl"
    look = partial(beat, "observing")
    return WatchedCamera(Path(camera.folder), ledger, rule, outbox.has_taken, zone, _watch(settings), look)


def _pi_camera(settings: TrapSettings, rule: BurstRule, outbox: Outbox, beat: Callable[[str], None]) -> Camera:
    from uncia_edge.picamera import PicameraEye, Trigger, TriggeredCamera, pir_sensor

    camera = settings.camera
    eye, sensor = PicameraEye(camera.width_px, camera.height_px), pir_sensor(camera.pir_pin)
    trigger = Trigger(camera.before, camera.after, camera.interval_s)
    spool = Path(settings.state) / "spool"
    signs = partial(beat, "camera"), partial(beat, "observing")
    return TriggeredCamera(eye, sensor, spool, rule, outbox.has_taken, trigger, _watch(settings), *signs)


def _watch(settings: TrapSettings) -> WatchSettings:
    return WatchSettings(settings.camera.watch, settings.camera.settle_s, settings.camera.quiet_s)
