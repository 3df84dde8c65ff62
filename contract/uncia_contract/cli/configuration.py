"""Reads a program's configuration: one TOML file into one frozen struct (STYLE 13).

Decides how mistakes are told: an unknown key names its nearest neighbours, a wrong value names its place. What
keys there are is each program's own struct (msgspec, `forbid_unknown_fields=True`).
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import Struct

from uncia_contract.errors import ConfigurationError

Settings = TypeVar("Settings", bound=Struct)
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<place>[^`]*)`)?")


def read_toml(path: Path, kind: type[Settings]) -> Settings:
    """The settings in a TOML file.

    Raises:
        ConfigurationError: no such file, not TOML, an unknown key (its neighbours are named), an impossible value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    return from_toml(text, kind, str(path))


def from_toml(text: str, kind: type[Settings], source: str = "configuration") -> Settings:
    """The settings in TOML text; `source` names it in errors.

    Raises:
        ConfigurationError: see `read_toml`.
    """
    try:
        return msgspec.convert(tomllib.loads(text), kind)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{source}: {_explain(str(error), kind)}") from error


def _explain(message: str, kind: type[Struct]) -> str:
    unknown = _UNKNOWN.search(message)
    if unknown is None:
        return message
    place = (unknown["place"] or "").lstrip(".")
    keys = _keys_at(kind, place)
    near = difflib.get_close_matches(unknown["key"], keys, n=3, cutoff=0.5) or keys
    where = f" in [{place}]" if place else ""
    return f"unknown key {unknown['key']!r}{where}; did you mean {', '.join(sorted(near))}?"


def _keys_at(kind: type[Struct], place: str) -> list[str]:
    for level in place.split("."):
        if level:
            kind = _struct_in(get_type_hints(kind)[re.sub(r"\[.*", "", level)])
    return list(kind.__struct_encode_fields__)


def _struct_in(hint: Any) -> type[Struct]:
    """The struct a field holds, looked for inside unions, tuples and dicts."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next(found for part in get_args(hint) if (found := _struct_in(part)) is not Struct)
