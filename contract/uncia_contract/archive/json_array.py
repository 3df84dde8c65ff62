"""Writes a JSON array item by item, so that even a million items need little memory."""

import json
from collections.abc import Iterable
from typing import Any, TextIO


def write_json_array(stream: TextIO, items: Iterable[Any], indent: int = 0) -> int:
    """Write `[...]` with one item a line, and return the number of items.

    Args:
        stream: receives the text.
        items: values that `json.dumps` accepts.
        indent: spaces before the closing bracket; items have twice as many.
    """
    count, margin = 0, " " * indent
    stream.write("[")
    for item in items:
        stream.write(("," if count else "") + "\n" + 2 * margin + json.dumps(item))
        count += 1
    stream.write(f"\n{margin}]")
    return count
