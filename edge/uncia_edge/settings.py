"""The trap's configuration: what `trap.toml` may say and what holds where it says nothing.

Decides names, defaults and bounds; relative paths are taken from the file's own folder. Facts about a model come from
its bundle, never from here.
"""

from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from uncia_contract.configuration import read_toml
from uncia_contract.errors import ConfigurationError
from uncia_contract.scoring import Strips
from uncia_contract.topics import ROOT

Fraction = Annotated[float, Meta(ge=0.0, lt=0.5)]


class CameraSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """Where pictures come from.

    `kind` `recorded` plays `folder` once, each folder in it a burst. `strip_top` and `strip_bottom` are the heights of
    burnt-in info strips, in fractions of the frame. `utc_offset_h` is the zone of camera times that name none.
    """

    kind: Literal["recorded"] = "recorded"
    folder: str = ""
    strip_top: Fraction = 0.0
    strip_bottom: Fraction = 0.0
    utc_offset_h: Annotated[float, Meta(ge=-14, le=14)] = 0.0

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


class TrapSettings(Struct, frozen=True, forbid_unknown_fields=True):
    """All that a trap can be told. `state` is the folder of the outbox; `threads` are those of the model."""

    trap: Annotated[str, Meta(pattern="^[a-z0-9_-]{1,32}$")]
    bundle: str
    state: str = "state"
    root: str = ROOT
    threads: Annotated[int, Meta(ge=1, le=16)] = 2
    camera: CameraSettings = CameraSettings()
    broker: BrokerSettings = BrokerSettings()


def read_settings(path: Path) -> TrapSettings:
    """The settings in a TOML file, its relative paths taken from the file's folder.

    Raises:
        ConfigurationError: unreadable, not TOML, an unknown key, an impossible value, a certificate without its key.
    """
    settings = read_toml(path, TrapSettings)
    if bool(settings.broker.certificate) != bool(settings.broker.key):
        raise ConfigurationError(f"{path}: [broker] certificate and key belong together, got only one of them")
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
        camera=msgspec.structs.replace(camera, folder=absolute(camera.folder)),
        broker=msgspec.structs.replace(
            broker, ca=absolute(broker.ca), certificate=absolute(broker.certificate), key=absolute(broker.key)
        ),
    )
