"""The trap's configuration: the keys of `trap.toml`, their defaults and their bounds.

Relative paths start at the file's own folder. Facts about a model come from its bundle, not from here.
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

    `kind` is one of three. `recorded` plays `folder` once: each folder in it is a burst, or with `group` `times` all
    pictures are cut into bursts by their times; `pace` is 1 as recorded, 60 for an hour in a minute, 0 for no waiting.
    `watched` takes the files that another program or a camera writes into `folder`, without end: `watch` says how to
    find them, `settle_s` how long a file must stay unchanged, `quiet_s` when a burst has ended (by default the bundle's
    gap and two seconds); with `per_folder` each folder in it is a camera with its own bursts and background.
    `picamera2` is the Pi's own camera: `width_px` by `height_px`, triggered by a PIR sensor on `pir_pin` (BCM), with
    `before` pictures from before the trigger and `after` pictures `interval_s` apart.

    `strip_top` and `strip_bottom` are the heights of burnt-in info strips, in fractions of the frame. `utc_offset_h`
    is the zone of camera times that name none; `zone` gives it by its name in the IANA database instead.
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
    """The broker's address. With `ca` the connection uses TLS, with `certificate` and `key` (PEM files) mutual TLS."""

    host: str = "127.0.0.1"
    port: Annotated[int, Meta(ge=1, le=65535)] = 1883
    ca: str = ""
    certificate: str = ""
    key: str = ""
    keepalive_s: Annotated[int, Meta(ge=5, le=3600)] = 60


class OutboxSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Bounds of the outbox and of what is sent.

    `quota_mb` is the most that frames may take on the card, `free_mb` the space to leave free, `ballast_mb` the size
    of the ballast file, `daily_mb` of frames are sent a day (0: no limit). `audit_per_day` rejected sequences, chosen
    at random, are sent a day. `preview_px` is the longer side of the thumbnail in a record; 0 for none. `log_mb` is the
    quota of the decision log.
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
    """`start` and `end` of the planned sleep as `HH:MM`, in the zone `utc_offset_h`; empty for no sleep."""

    start: ClockTime = ""
    end: ClockTime = ""
    utc_offset_h: Annotated[float, Meta(ge=-14, le=14)] = 0.0


class PassSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """`uncia-trap pass`: it takes at most `for_s`; the next pass starts `every_s` after it (0: unknown)."""

    for_s: Annotated[float, Meta(ge=1, le=86400)] = 600.0
    every_s: Annotated[float, Meta(ge=0, le=30 * 86400)] = 0.0


class TrapSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """The whole configuration of a trap.

    `state` is the folder of the outbox and of the last good bundle. `threads` are the model's threads (0: all cores on
    ai-edge-litert, one on tflite-runtime). `delegate` is an accelerator's library such as `libedgetpu.so.1`; empty for
    the CPU. With `bundle_key` (a PEM file), only bundles signed with it or with `bundle_key_spare` are accepted, and
    only those with a name in `bundle_names` (by default the name that was used first). `health_s` is the interval of
    state messages. Sequences with a label of `veto` are not sent, or with grey pictures (`veto_sends`). `latitude` and
    `longitude` of release 0.1 are accepted and ignored: a trap's place must not be on its card.
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
    """Read the settings in a TOML file; relative paths start at the file's folder.

    Raises:
        ConfigurationError: the file is unreadable or not TOML, a key is unknown, a value is impossible, a certificate
            has no key, or a sleep has no end.
    """
    settings = read_toml(path, TrapSettings)
    if bool(settings.broker.certificate) != bool(settings.broker.key):
        raise ConfigurationError(f"{path}: [broker] certificate and key belong together, got only one of them")
    if settings.camera.per_folder and settings.camera.kind != "watched":
        raise ConfigurationError(
            f'{path}: [camera] per_folder works only with kind = "watched", got {settings.camera.kind}'
        )
    if bool(settings.sleep.start) != bool(settings.sleep.end):
        raise ConfigurationError(f"{path}: [sleep] start and end belong together, got only one of them")
    return _anchored(settings, path.absolute().parent)


def _anchored(settings: TrapSettings, folder: Path) -> TrapSettings:
    """The settings with every relative path made absolute, starting at `folder`."""

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
