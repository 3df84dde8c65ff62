"""Numbers and zones on a command line: which are read, and which are refused with what was expected."""

import argparse
from datetime import UTC, datetime, timedelta

import pytest

from uncia_contract.cli.arguments import amount, share, whole, zone


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "x", "", "nan"])
def test_a_text_that_is_not_a_whole_number_is_refused(text: str) -> None:
    """The message names the text that was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text}: expected a whole number, 1 or more$"):
        whole(1)(text)


@pytest.mark.parametrize("text", ["-0.1", "1.01", "nan", "half"])
def test_a_text_that_is_not_a_share_is_refused(text: str) -> None:
    """Below 0, above 1, and texts that are not numbers."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected a number from 0 to 1"):
        share(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_a_text_that_is_not_an_amount_is_refused(text: str) -> None:
    """The message names the text that was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text}: expected a number, 0 or more$"):
        amount(text)


def test_numbers_are_read() -> None:
    """The least value is accepted."""
    assert (whole(1)("1"), whole(0)("0"), amount("2.5"), amount("0"), share("1")) == (1, 0, 2.5, 0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "hours"), [("5.5", 5.5), ("-3", -3), ("0", 0), ("Asia/Dushanbe", 5)], ids=["half", "west", "UTC", "name"]
)
def test_a_zone_is_hours_or_a_name(text: str, hours: float) -> None:
    """As `utc_offset_h` and `zone` of trap.toml."""
    assert zone(text).utcoffset(datetime(2026, 1, 14, tzinfo=UTC).replace(tzinfo=None)) == timedelta(hours=hours)


@pytest.mark.parametrize("text", ["15", "15.1", "nan", "Asia/Nowhere", "../etc/passwd", "", "/etc/localtime"])
def test_a_text_that_is_not_a_zone_is_refused(text: str) -> None:
    """The message says what is expected."""
    with pytest.raises(argparse.ArgumentTypeError, match="expected"):
        zone(text)
