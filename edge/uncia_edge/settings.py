"""The trap's configuration: what `trap.toml` may say and what holds where it says nothing.

Decides names, defaults and bounds; relative paths are taken from the file's own folder. Facts about a model come from
its bundle, never from here.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from uncia_contract.cli.configuration import read_toml
from uncia_contract.errors import ConfigurationError
from uncia_contract.messages.records import TRAP_ID
from uncia_contract.messages.topics import ROOT
from uncia_contract.scoring.score_burst import Strips

Fraction = Annotated[float, Meta(ge=0.0, lt=0.5)]


class CameraSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where pictures come from.

    `kind` `recorded` plays `folder` once: each folder in it a burst, or all of it cut by `times` as `group` says, at
    `pace` (1 as it was recorded, 60 an hour in a minute, 0 one burst after another). `watched` takes what another
    program or a camera's card puts into `folder`, for ever; `watch` tells how to notice, `settle_s` how long a file
    must stay the same, and `quiet_s` when a burst has ended (by default the bundle's gap and two seconds);
    with `per_folder` each folder in it is a camera with bursts and a background of its own. `picamera2`
    is the Pi's own camera, `width_px` by `height_px`, woken by a PIR sensor on `pir_pin` (BCM), with `before` pictures
    from before the trigger and `after` pictures `interval_s` apart. `strip_top` and `strip_bottom` are the heights of
    burnt-in info strips, in fractions of the frame. `utc_offset_h` is the zone of camera times that name none,
    or `zone` by its name in the IANA database.
    """

    kind: Literal["recorded", "watched", "picamera2"] = "recorded"
    folder: str = ""
    group: Literal["folders", "times"] = "folders"
    pace: Annotated[float, Meta(ge=0, le=1e6)] = 0.0
    watch: Literal["auto", "inotify", "polling"] = "auto"
    settle_s: Annotated[float, Meta(ge=0.05, le=3600)] = 2.0
    quiet_s: Annotated[float, Meta(gt=0, le=3600)] | None = None
    pir_pin: Annotated[int, Meta(ge=0, le=27)] = 4
    width_px: Annotated[int, Meta(ge=64, le=9152)] = 2304
    height_px: Annotated[int, Meta(ge=64, le=6944)] = 1296
    before: Annotated[int, Meta(ge=0, le=20)] = 2
    after: Annotated[int, Meta(ge=1, le=100)] = 10
    interval_s: Annotated[float, Meta(ge=0, le=60)] = 0.5
    strip_top: Fraction = 0.0
    strip_bottom: Fraction = 0.0
    utc_offset_h: Annotated[float, Meta(ge=-14, le=14)] = 0.0
    zone: str = ""
    per_folder: bool = False

    @property
    def strips(self) -> Strips | None:
        """The burnt-in strips; None where none are configured."""
        return Strips(self.strip_top, self.strip_bottom) if self.strip_top or self.strip_bottom else None


class BrokerSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where the broker listens. `ca` makes the connection TLS, `certificate` and `key` (PEM files) make it mutual."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 60


class OutboxSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of what waits: `quota_mb` and `free_mb` of the card, `ballast_mb`, and `daily_mb` of frames sent a day.

    `daily_mb` 0 means no limit. `audit_per_day` rejected sequences, drawn at random, are sent a day; 0 for none.
    `preview_px` is the longer side of the thumbnail that goes with a record; 0 for none. `log_mb` is the quota of the
    decision log.
    """

    quota_mb: Annotated[int, Meta(ge=1)] = 20_000
    free_mb: Annotated[int, Meta(ge=0)] = 256
    ballast_mb: Annotated[int, Meta(ge=0, le=1024)] = 8
    daily_mb: Annotated[int, Meta(ge=0)] = 0
    audit_per_day: Annotated[int, Meta(ge=0, le=1000)] = 0
    preview_px: Annotated[int, Meta(ge=0, le=1024)] = 320
    log_mb: Annotated[int, Meta(ge=1, le=10_000)] = 8


VetoSends = Literal["nothing", "record"]
ClockTime = Annotated[
    str, Meta(pattern="^(([01][0-9]|2[0-3]):[0-5][0-9])?$", description='a time from "00:00" to "23:59"')
]


class SleepSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`start` and `end` of the planned sleep, as `HH:MM` in the zone `utc_offset_h`; empty for none."""

    start: ClockTime = ""
    end: ClockTime = ""
    utc_offset_h: Annotated[float, Meta(ge=-14, le=14)] = 0.0


class PassSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Of `uncia-trap pass`: it takes at most `for_s`; the next one begins `every_s` after it, 0 where nobody knows."""

    for_s: Annotated[float, Meta(ge=1, le=86400)] = 600.0
    every_s: Annotated[float, Meta(ge=0, le=30 * 86400)] = 0.0


class TrapSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a trap can be told.

    `state` is the folder of the outbox and of the last good bundle; `threads` are those of the model (0: the cores on
    ai-edge-litert, one on tflite-runtime); `delegate` is an accelerator's library such as `libedgetpu.so.1`, empty for
    the CPU; `bundle_key` is a PEM file: only bundles signed by its owner, or the owner of `bundle_key_spare`, are taken
    then, and only of `bundle_names` (by default the name that was used first); `health_s` is how often the state is
    told. `latitude` and `longitude` of release 0.1 are taken and ignored: where a trap stands is not on its card.
    Sequences that the bundle calls by a label of `veto` are not sent, or (`veto_sends`) with grey pictures.
    """

    trap: Annotated[str, Meta(pattern=TRAP_ID, description="1 to 32 of a-z, 0-9, _ and -")]
    bundle: str
    state: str = "state"
    root: str = ROOT
    threads: Annotated[int, Meta(ge=0, le=16)] = 0
    delegate: str = ""
    bundle_key: str = ""
    bundle_key_spare: str = ""
    bundle_names: tuple[str, ...] = ()
    health_s: Annotated[int, Meta(ge=10, le=86400)] = 300
    veto: tuple[str, ...] = ()
    veto_sends: VetoSends = "nothing"
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    sleep: SleepSettings = SleepSettings()
    outbox: OutboxSettings = OutboxSettings()
    camera: CameraSettings = CameraSettings()
    passes: PassSettings = PassSettings()
    broker: BrokerSettings = BrokerSettings()


def read_settings(path: Path) -> TrapSettings:
    """The settings in a TOML file, its relative paths taken from the file's folder.

    Raises:
        ConfigurationError: unreadable, not TOML, an unknown key, an impossible value, a certificate without its key,
            a sleep without its end.
    """
    settings = read_toml(path, TrapSettings)
    if bool(settings.broker.certificate) != bool(settings.broker.key):
        raise ConfigurationError(f"{path}: [broker] certificate and key belong together, got only one of them")
    if settings.camera.per_folder and settings.camera.kind != "watched":
        raise ConfigurationError(f"{path}: [camera] per_folder is of kind watched, got {settings.camera.kind}")
    if bool(settings.sleep.start) != bool(settings.sleep.end):
        raise ConfigurationError(f"{path}: [sleep] start and end belong together, got only one of them")
    return _anchored(settings, path.absolute().parent)


def _anchored(settings: TrapSettings, folder: Path) -> TrapSettings:
    """With every relative path made absolute, seen from `folder`."""

    def absolute(text: str) -> str:
        return str(folder / text) if text else ""

    broker, camera = settings.broker, settings.camera
    return msgspec.structs.replace(
        settings,
        bundle=absolute(settings.bundle),
        state=absolute(settings.state),
        bundle_key=absolute(settings.bundle_key),
        bundle_key_spare=absolute(settings.bundle_key_spare),
        camera=msgspec.structs.replace(camera, folder=absolute(camera.folder)),
        broker=msgspec.structs.replace(
            broker, ca=absolute(broker.ca), certificate=absolute(broker.certificate), key=absolute(broker.key)
        ),
    )
