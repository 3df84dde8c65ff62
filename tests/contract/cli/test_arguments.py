"""Numbers on a command line mean something, or are refused with what was expected."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from uncia_contract.cli.arguments import amount, share, whole, zone


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "x", "", "nan"])
def test_no_whole_number_is_refused(text: str) -> None:
    """Told with what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text}: expected a whole number, 1 or more$"):
        whole(1)(text)


@pytest.mark.parametrize("text", ["-0.1", "1.01", "nan", "half"])
def test_what_is_no_share_is_refused(text: str) -> None:
    """Below 0, above 1, and what is no number."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number from 0 to 1"):
        share(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_no_amount_is_refused(text: str) -> None:
    """Told with what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text}: expected a number, 0 or more$"):
        amount(text)


def test_numbers_are_read() -> None:
    """From the least on."""
    assert (whole(1)("1"), whole(0)("0"), amount("2.5"), amount("0"), share("1")) == (1, 0, 2.5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "hours"), [("5.5", 5.5), ("-3", -3), ("0", 0), ("Asia/Dushanbe", 5)], ids=["half", "west", "UTC", "name"]
)
def test_a_zone_is_hours_or_a_name(text: str, hours: float) -> None:
    """As `utc_offset_h` and `zone` of trap.toml."""
    assert zone(text).utcoffset(datetime(2026, 1, 14, tzinfo=UTC).replace(tzinfo=None)) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["15", "15.1", "nan", "Asia/Nowhere", "../etc/passwd", "", "/etc/localtime"])
def test_what_is_no_zone_is_refused(text: str) -> None:
    """In one line that says what is expected."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        zone(text)
