"""Settings that the base station changed remotely: threshold and daily budget, within bounds, kept over restarts.

Decides which keys may be set and their bounds. Each change is written as a whole file with a revision that only grows.
The previous file is kept and used if the newest cannot be read.
"""

import logging
from pathlib import Path
from typing import Annotated

import msgspec
from msgspec import Meta, Struct

from uncia_contract.cli.configuration import in_words
from uncia_contract.errors import UNDECODABLE, ConfigurationError
from uncia_contract.files import make_folder, write_durable

_log = logging.getLogger(__name__)


_Threshold = Annotated[float, Meta(ge=0.05, le=0.99)]
_Budget = Annotated[int, Meta(ge=0, le=10**12)]


class Overrides(Struct, frozen=True, forbid_unknown_fields=True):
    """`threshold` replaces the bundle's; `budget_bytes` of frames a day (0: records only); None means not set."""

    revision: Annotated[int, Meta(ge=0)] = 0
    threshold: _Threshold | None = None
    budget_bytes: _Budget | None = None


SETTABLE = ("threshold", "budget_bytes")
DEFAULT = "default"  # this value removes an override: bundle or trap.toml decide again
_BOUNDS = {"threshold": in_words(_Threshold), "budget_bytes": in_words(_Budget)}


class OverrideFile:
    """The current overrides, and their file."""

    def __init__(self, path: Path) -> None:
        self._path, self._previous = path, path.with_name(path.name + ".previous")
        self.current = self._read()

    def set(self, key: str, value: object) -> Overrides:
        """Change one key durably; return the new overrides.

        Raises:
            ConfigurationError: the key is unknown or the value out of bounds; nothing has changed.
            OSError: the card cannot be written; nothing has changed.
        """
        if key not in SETTABLE:
            raise ConfigurationError(f"{key!r} cannot be set from afar; expected one of {', '.join(SETTABLE)}")
        value = None if value == DEFAULT else value
        wanted = {**msgspec.structs.asdict(self.current), key: value, "revision": self.current.revision + 1}
        try:
            changed = msgspec.convert(wanted, Overrides)
        except msgspec.ValidationError as error:
            told = f"{key} = {value!r}: expected {_BOUNDS[key]}, or {DEFAULT}"
            raise ConfigurationError(told) from error
        make_folder(self._path.parent)
        if self.current.revision:
            write_durable(self._previous, msgspec.json.encode(self.current))
        write_durable(self._path, msgspec.json.encode(changed))
        self.current = changed
        return changed

    def _read(self) -> Overrides:
        for path in (self._path, self._previous):
            try:
                return msgspec.json.decode(path.read_bytes(), type=Overrides)
            except FileNotFoundError:
                continue
            except (OSError, *UNDECODABLE) as error:
                _log.error("overrides %s cannot be used: %s", path.name, error)
        return Overrides()
