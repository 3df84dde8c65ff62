"""Types for `add_argument(type=...)`: numbers within a range, and time zones."""

import argparse
import math
from collections.abc import Callable
from datetime import timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo


def whole(least: int) -> Callable[[str], int]:
    """A type that reads a whole number, `least` or more."""

    def read(text: str) -> int:
        try:
            number = int(text)
        except ValueError:
            number = least - 1
        if number < least:
            raise argparse.ArgumentTypeError(f"{text}: expected a whole number, {least} or more")
        return number

    return read


def amount(text: str) -> float:
    """Read a finite number, 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text}: expected a number, 0 or more")
    return number


def share(text: str) -> float:
    """Read a number from 0 to 1."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"{text}: expected a number from 0 to 1")
    return number


ZONE_HELP = "zone of camera times that name none: hours, such as 5.5, or a name, such as Asia/Dushanbe (unknown)"


def zone(text: str) -> tzinfo:
    """Read a time zone: hours ahead of UTC (-14 to 14, as `utc_offset_h` of trap.toml) or a name (Asia/Dushanbe)."""
    try:
        hours = float(text)
    except ValueError:
        return _named_zone(text)
    if not -14 <= hours <= 14:
        raise argparse.ArgumentTypeError(f"{text}: expected -14 to 14 hours")
    return timezone(timedelta(hours=hours))


def _named_zone(text: str) -> tzinfo:
    try:
        return ZoneInfo(text)
    except (ValueError, OSError, LookupError) as error:
        raise argparse.ArgumentTypeError(
            f"{text}: no such zone; expected hours, such as 5.5, or a name, such as Asia/Dushanbe"
        ) from error
