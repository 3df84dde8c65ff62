"""Writes a JSON array item by item, so that a file of a million entries needs no memory for them."""

import json
from collections.abc import Iterable
from typing import Any, TextIO


def write_json_array(stream: TextIO, items: Iterable[Any]) -> int:
    """Write `[...]`, one item a line; how many there were."""
    count = 0
    stream.write("[")
    for item in items:
        stream.write(",\n" if count else "\n")
        stream.write(json.dumps(item))
        count += 1
    stream.write("\n]")
    return count
