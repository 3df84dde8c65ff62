"""Writes a JSON array item by item, so that a file of a million entries needs no memory for them."""

import json
from collections.abc import Iterable
from typing import Any, TextIO


def write_json_array(stream: TextIO, items: Iterable[Any], indent: int = 0) -> int:
    """Write `[...]`, one item a line; how many there were.

    Args:
        stream: where to.
        items: what `json.dumps` takes.
        indent: spaces before the closing bracket; items have twice as many.
    """
    count, margin = 0, " " * indent
    stream.write("[")
    for item in items:
        stream.write(("," if count else "") + "\n" + 2 * margin + json.dumps(item))
        count += 1
    stream.write(f"\n{margin}]")
    return count
