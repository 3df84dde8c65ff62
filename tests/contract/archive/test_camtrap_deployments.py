"""Times of deployments: which forms are read, and which are refused."""

from datetime import UTC, datetime

import pytest

from uncia_contract.archive.camtrap_deployments import moment


@pytest.mark.parametrize(
    ("text", "iso"),
    [
        ("2026-09-01", "2026-09-01T00:00"),
        ("2026-09-01T14:30:00+05:00", "2026-09-01T09:30"),
        ("01.09.2026", "2026-09-01T00:00"),
        ("1.9.2026", "2026-09-01T00:00"),
        ("01.09.2026 9:05", "2026-09-01T09:05"),
        (" 31.12.2026, 23:59:30 ", "2026-12-31T23:59:30"),
        ("01.09.2026T14:30+05:00", "2026-09-01T09:30"),
    ],
    ids=["date", "standard", "day first", "short", "with a time", "with seconds", "with an offset"],
)
def test_a_time_is_understood(text, iso):
    """In ISO 8601, or with the day first and dots."""
    assert moment(text) == datetime.fromisoformat(iso).replace(tzinfo=UTC)


@pytest.mark.parametrize("text", ["01/09/2026", "31.02.2026", "13.13.2026", "1.9.26", "September", "", None])
def test_any_other_form_is_refused(text):
    """The message gives the text and the forms that are expected."""
    with pytest.raises(ValueError, match="expected a time such as 2026-09-01") as caught:
        moment(text)
    assert repr(text or "") in str(caught.value)
