"""Opens the camera that the configuration names."""

from collections.abc import Callable
from datetime import timedelta, timezone, tzinfo
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.errors import ConfigurationError
from uncia_edge.camera.cameras import Camera, LiveCamera, WaitingCamera
from uncia_edge.camera.recorded import RecordedCamera
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.outbox.store import Outbox
from uncia_edge.settings import CameraSettings, TrapSettings


def open_camera(
    settings: TrapSettings, rule: BurstRule, outbox: Outbox, heartbeat: Callable[[str], None], once: bool = False
) -> Camera:
    """The configured camera. A live camera that is absent is wrapped in `WaitingCamera`.

    With `once`, a watched folder is scanned for what it holds now and not watched. A live camera calls
    `heartbeat("observing")` while it works; the Pi's camera calls `heartbeat("camera")` too.

    Raises:
        ConfigurationError: the folder is not set, the zone does not exist, or a library is not installed.
        DataError: the folder holds no recording.
    """
    camera = settings.camera
    if camera.kind == "picamera2":
        return WaitingCamera(lambda: _pi_camera(settings, rule, outbox, heartbeat), lambda: _both(heartbeat))
    if not camera.folder:
        raise ConfigurationError(f"[camera] folder: not set; expected the folder of the {camera.kind} pictures")
    zone = _zone(camera)
    observing = partial(heartbeat, "observing")
    if camera.kind == "recorded":
        return RecordedCamera(Path(camera.folder), zone, rule, camera.group, camera.pace, observing)
    return WaitingCamera(lambda: _watched_camera(settings, rule, outbox, zone, observing, once), observing)


def _zone(camera: CameraSettings) -> tzinfo:
    if not camera.zone:
        return timezone(timedelta(hours=camera.utc_offset_h))
    try:
        return ZoneInfo(camera.zone)
    except (ValueError, OSError, LookupError) as error:
        raise ConfigurationError(
            f"[camera] zone: {camera.zone}: no such zone; expected a name such as Asia/Dushanbe"
        ) from error


def _watched_camera(
    settings: TrapSettings, rule: BurstRule, outbox: Outbox, zone: tzinfo, heartbeat: Callable[[], None], once: bool
) -> LiveCamera:
    folder, seen = Path(settings.camera.folder), Path(settings.state) / "watched.jsonl"
    return WatchedCamera(folder, seen, rule, outbox.queries.has_taken, zone, _watch(settings, once), heartbeat)


def _both(heartbeat: Callable[[str], None]) -> None:
    heartbeat("camera")
    heartbeat("observing")


def _pi_camera(settings: TrapSettings, rule: BurstRule, outbox: Outbox, heartbeat: Callable[[str], None]) -> LiveCamera:
    from uncia_edge.camera.picamera import PicameraStillCamera, Trigger, TriggeredCamera, pir_sensor

    camera = settings.camera
    still_camera = PicameraStillCamera(camera.width_px, camera.height_px)
    trigger = Trigger(camera.before, camera.after, camera.interval_s)
    spool = Path(settings.state) / "spool"
    heartbeats = partial(heartbeat, "camera"), partial(heartbeat, "observing")
    sensor = pir_sensor(camera.pir_pin)
    return TriggeredCamera(
        still_camera, sensor, spool, rule, outbox.queries.has_taken, trigger, _watch(settings), *heartbeats
    )


def _watch(settings: TrapSettings, once: bool = False) -> WatchSettings:
    mode = "polling" if once else settings.camera.watch
    return WatchSettings(mode, settings.camera.settle_s, settings.camera.quiet_s, once, settings.camera.per_folder)
