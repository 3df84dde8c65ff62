"""JSON files that people read and compare: manifests, descriptions, reports."""

from typing import Any, Literal

import msgspec


def indented_json(value: Any, order: Literal["sorted"] | None = None) -> bytes:
    """What msgspec can encode as indented JSON with an end of line; equal values give equal bytes."""
    return msgspec.json.format(msgspec.json.encode(value, order=order), indent=2) + b"\n"
