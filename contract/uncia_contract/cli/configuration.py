"""Reads a program's configuration: one TOML file into one frozen struct (STYLE 13).

Decides what the error messages say: for an unknown key, the most similar keys; for a wrong value, its place and the
values that are valid. Each program has its own struct of keys (msgspec, `forbid_unknown_fields=True`).
"""

import difflib
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

import msgspec
from msgspec import Meta, Struct

from uncia_contract.errors import ConfigurationError

Settings = TypeVar("Settings", bound=Struct)
_UNKNOWN = re.compile(r"unknown field `(?P<key>[^`]*)`(?: - at `\$(?P<place>[^`]*)`)?")

_MISSING = re.compile(r"missing required field `(?P<key>[^`]*)`(?: - at `\$(?P<place>[^`]*)`)?")
_PLACE = re.compile(r" - at `\$\.(?P<place>[^`]*)`")
_NAMES = {str: "a text", int: "a whole number", float: "a number", bool: "true or false"}


def read_toml(path: Path, kind: type[Settings]) -> Settings:
    """The settings in a TOML file.

    Raises:
        ConfigurationError: no such file, not TOML, an unknown or missing key, a value out of range or of a wrong type.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows' Notepad writes a byte-order mark
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path}: cannot be read: {error}") from error
    return from_toml(text, kind, str(path))


def from_toml(text: str, kind: type[Settings], source: str = "configuration") -> Settings:
    """The settings in TOML text; `source` names it in errors.

    Raises:
        ConfigurationError: see `read_toml`.
    """
    given: dict[str, Any] = {}
    try:
        given = tomllib.loads(text)
        return msgspec.convert(given, kind)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(f"{source}: not TOML: {error}") from error
    except msgspec.ValidationError as error:
        raise ConfigurationError(f"{source}: {_explain(str(error), kind, given)}") from error


def _explain(message: str, kind: type[Struct], given: dict[str, Any]) -> str:
    """Msgspec's message in plain words: which key, what was expected, what was given."""
    if unknown := _UNKNOWN.search(message):
        place = (unknown["place"] or "").lstrip(".")
        keys = _keys_at(kind, place)
        near = difflib.get_close_matches(unknown["key"], keys, n=3, cutoff=0.5) or keys
        return f"unknown key {unknown['key']!r}{_inside(place)}; did you mean {', '.join(sorted(near))}?"
    if missing := _MISSING.search(message):
        return f"missing key {missing['key']!r}{_inside((missing['place'] or '').lstrip('.'))}"
    found = _PLACE.search(message)
    if found is None:
        return message
    *places, last = found["place"].split(".")
    value: Any = given
    for place in places:
        table, _, number = place.partition("[")
        value = value[table][int(number[:-1])] if number else value[table]
    tables, key = [place.partition("[")[0] for place in places], last.partition("[")[0]
    return f"{_table(tables)}{key}: expected {in_words(_hint_at(kind, tables, key))}, got {value[key]!r}"


def _inside(place: str) -> str:
    return f" in [{place}]" if place else ""


def _table(tables: list[str]) -> str:
    return f"[{'.'.join(tables)}] " if tables else ""


def in_words(hint: Any) -> str:
    """The values that a key may have, in words; the type's own description (`Meta`) where it has one."""
    bounds = [part for part in getattr(hint, "__metadata__", ()) if isinstance(part, Meta)]
    told = next((part.description for part in bounds if part.description), None)
    origin, parts = get_origin(hint), get_args(hint)
    if told or not parts:
        return told or _NAMES.get(hint, "a table")
    if origin is Annotated:
        return in_words(parts[0]) + "".join(map(_bounds, bounds))
    if origin is Literal:
        return f"one of {', '.join(map(str, parts))}"
    if origin in (tuple, list):
        return f"a list, each of it {in_words(parts[0])}"
    return in_words(next(part for part in parts if part is not type(None)))


def _bounds(meta: Meta) -> str:
    """The bounds in words, such as ` from 1 to 65535`."""
    named = (
        ("from", meta.ge),
        ("above", meta.gt),
        ("to", meta.le),
        ("below", meta.lt),
        ("of at most", meta.max_length),
    )
    told = "".join(f" {word} {bound:.15g}" for word, bound in named if bound is not None)
    return told + (" items or characters" if meta.max_length is not None else "")


def _hint_at(kind: type[Struct], tables: list[str], key: str) -> Any:
    for table in tables:
        kind = _struct_in(get_type_hints(kind)[table])
    return get_type_hints(kind, include_extras=True)[key]


def _keys_at(kind: type[Struct], place: str) -> list[str]:
    for level in place.split("."):
        if level:
            kind = _struct_in(get_type_hints(kind)[re.sub(r"\[.*", "", level)])
    return list(kind.__struct_encode_fields__)


def _struct_in(hint: Any) -> type[Struct]:
    """The struct in a field's type, also inside a union, tuple or dict."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint
    return next(found for part in get_args(hint) if (found := _struct_in(part)) is not Struct)
