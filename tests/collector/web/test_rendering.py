"""Rendering: numbers in an address."""

from urllib.parse import quote

import pytest
from starlette.requests import Request

from uncia_collector.web.rendering import asked_number


@pytest.mark.parametrize(
    ("text", "number"),
    [("7", 7), ("730", 730), ("731", 90), ("0", 90), ("", 90), ("-1", 90), ("²", 90), ("000001000", 90)],
    ids=["one", "the most", "more", "zero", "nothing", "less than zero", "no digit of ASCII", "zeros before more"],
)
def test_numbers_of_an_address_are_bounded(text, number):
    """Anything but a number from 1 to the largest gives the default."""
    request = Request({"type": "http", "query_string": f"days={quote(text)}".encode()})

    assert asked_number(request, "days", 90, 730) == number
