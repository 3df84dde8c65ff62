"""Numbers on a command line mean something, or are refused with what was expected."""

import argparse

import pytest

from uncia_contract.cli.arguments import amount, whole


@pytest.mark.parametrize("text", ["0", "-3", "1.5", "x", "", "nan"])
def test_no_whole_number_is_refused(text: str) -> None:
    """Told with what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text}: expected a whole number, 1 or more$"):
        whole(1)(text)


@pytest.mark.parametrize("text", ["-1", "nan", "inf", "x"])
def test_no_amount_is_refused(text: str) -> None:
    """Told with what was given."""
    with pytest.raises(argparse.ArgumentTypeError, match=f"^{text}: expected a number, 0 or more$"):
        amount(text)


def test_numbers_are_read() -> None:
    """From the least on."""
    assert (whole(1)("1"), whole(0)("0"), amount("2.5"), amount("0")) == (1, 0, 2.5, 0.0)
