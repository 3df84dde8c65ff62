"""What needs attention at a trap."""

import pytest

from uncia_collector.catalogue.needs import is_low


@pytest.mark.parametrize(
    ("battery_v", "low"),
    [
        (None, False),
        (0.0, False),
        (12.6, False),
        (11.4, True),
        (8.5, True),
        (6.2, False),
        (5.7, True),
        (3.2, True),
        (3.7, False),
    ],
)
def test_battery_is_low_by_its_kind(battery_v, low):
    """The voltage shows whether it is 12 V, 6 V or one lithium cell; an unknown voltage is not low."""
    assert is_low(battery_v) == low
