"""JSON files that people read and compare: manifests, descriptions, reports."""

from typing import Any, Literal

import msgspec


def indented_json(value: Any, order: Literal["sorted"] | None = None) -> bytes:
    """The value as JSON, indented by two spaces, with an end of line; equal values give equal bytes.

    Args:
        value: anything that msgspec can encode.
        order: "sorted" sorts the keys of objects.
    """
    return msgspec.json.format(msgspec.json.encode(value, order=order), indent=2) + b"\n"
