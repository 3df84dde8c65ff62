"""Deployments: which rows of a table are read or refused."""

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.schema import deployments
from uncia_contract.errors import DataError

HEADER = "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
GOOD = "d1,36.9,73.0,01.09.2026 06:00,2026-11-01,ridge\n"


def read(stored, tmp_path, lines: str) -> int:
    """Read a table of these lines into the catalogue."""
    table = tmp_path / "deployments.csv"
    table.write_text(HEADER + lines)
    return read_deployments(table, stored.database)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("d2,36.9,73.0,2026-09-01,2026-08-01,ridge", "line 3: deploymentEnd 2026-08-01 00:00 UTC is before"),
        ("d2,36.9,73.0,2026-09-01,,Ridge 1", "line 3: cameraID 'Ridge 1' is not a trap id"),
        ("d2,36.9,73.0,2026-09-01,,ridge/", "line 3: cameraID 'ridge/' is not a trap id"),
        ("d2,36.9,73.0,2026-09-01,," + 33 * "x", "is not a trap id; expected the id in its trap.toml: 1 to 32"),
        ("d2,36.9,73.0,09/01/2026,,ridge", "line 3: '09/01/2026': expected a time such as"),
        (",36.9,73.0,2026-09-01,,ridge", "line 3: deploymentID is empty"),
    ],
    ids=[
        "end before start",
        "impossible trap",
        "a camera without a name",
        "too long",
        "a date of either kind",
        "no id",
    ],
)
def test_a_wrong_line_is_named_and_nothing_stored(on_sqlite, tmp_path, line, message):
    """Not even the lines before it are stored."""
    with pytest.raises(DataError, match=message):
        read(on_sqlite, tmp_path, f"{GOOD}{line}\n")
    with on_sqlite.database.reading() as connection:
        assert connection.execute(select(deployments)).all() == []


def test_a_day_first_date_is_read(on_sqlite, tmp_path):
    """01.09. is the first of September, not the ninth of January."""
    assert read(on_sqlite, tmp_path, GOOD) == 1
    with on_sqlite.database.reading() as connection:
        assert (
            f"{connection.execute(select(deployments.c.started_at)).scalar_one():%Y-%m-%d %H:%M}" == "2026-09-01 06:00"
        )
