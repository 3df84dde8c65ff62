"""Reads the time in a file's name, such as `IMG_20260114_034301.jpg`.

The name must hold year, month, day, hour, minute and second, with or without separators. A date alone is not a time.
"""

import re
from pathlib import PurePosixPath

_TIME = re.compile(
    r"(?<!\d)((?:19|20)\d\d)([-_. ]?)(0[1-9]|1[0-2])\2(0[1-9]|[12]\d|3[01])"
    r"[-_. T]{0,3}([01]\d|2[0-4])([-_.: h]?)([0-5]\d)[-_.: m]?([0-5]\d|60)(?!\d{4})"
)


def file_name_time(name: str) -> str:
    """The time in a file's name, in EXIF's form (`2026:01:14 03:43:01`); "" where the name has none."""
    found = _TIME.search(PurePosixPath(name).stem)
    if found is None:
        return ""
    year, _, month, day, hour, _, minute, second = found.groups()
    return f"{year}:{month}:{day} {hour}:{minute}:{second}"
