"""Effort as CSV tables, from the command line and from the page."""

import csv
import io
from datetime import UTC, date, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import health
from uncia_collector.cli.main import main
from uncia_collector.effort.hours import _keep_days
from uncia_collector.effort.tables import TABLES, Wanted, effort_csv
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
BEGAN = datetime(2026, 11, 1, 12, tzinfo=UTC)
FIRST, LAST = date(2026, 10, 30), date(2026, 11, 11)
DAY, HOUR = timedelta(days=1), timedelta(hours=1)


@pytest.fixture
def worked(stored, make_sequence, tmp_path):
    """A station that listens from 1 November; the ridge worked 8 of 11 nights, the valley's site had two traps."""
    hours = [BEGAN + hour * HOUR for hour in range(11 * 24)]
    rows = [{"trap": "", "hour": hour, "kind": "awake"} for hour in hours]
    rows += [{"trap": "ridge", "hour": hour, "kind": "awake"} for hour in hours[: 8 * 24]]
    rows += [{"trap": "east", "hour": hour, "kind": "asleep"} for hour in hours]
    rows += [{"trap": "west", "hour": hour, "kind": "awake"} for hour in hours]
    with stored.database.writing() as connection:
        connection.execute(health.insert(), rows)
        for trap in ("", "ridge", "east", "west"):
            _keep_days(connection, trap, hours[0], hours[-1])
    (tmp_path / "places.csv").write_text(
        "deploymentID,locationID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
        "d1,site1,36.9,73.0,2026-10-01,,ridge\nd2,site2,36.8,73.1,2026-10-01,,east\n"
        "d3,site2,36.8,73.1,2026-11-04T12:00,,west\n"
    )
    read_deployments(tmp_path / "places.csv", stored.database)
    for trap, day in (("ridge", 1.5), ("ridge", 1.51), ("ridge", 9.5), ("west", 5.2), ("ridge", -1.5)):
        one = make_sequence(id=f"{trap}-{day * 100:.0f}".replace("--", "-m"), trap=trap, started_at=BEGAN + day * DAY)
        stored.commit(one.record_message(), now=NOW)
    return stored


def table(stored, kind: str, **changed) -> list[list[str]]:
    """The lines of a table."""
    with stored.database.reading() as connection:
        text = effort_csv(connection, kind, Wanted(FIRST, LAST, UTC, **changed), NOW)
    return [*csv.reader(io.StringIO(text))]


def test_the_summary_has_a_line_for_each_trap_and_one_for_all(worked):
    """Nights of each kind, sightings, the rate with its interval; nights before the history are unknown."""
    head, *lines = table(worked, "summary")
    by_trap = {line[0]: dict(zip(head, line, strict=True)) for line in lines}
    kinds = {
        trap: [row[f"nights_{kind}"] for kind in ("worked", "asleep", "silent", "unknown")]
        for trap, row in by_trap.items()
    }
    assert kinds == {
        "east": ["0", "11", "0", "2"], "ridge": ["8", "0", "3", "2"], "west": ["8", "0", "0", "0"],
        "all": ["16", "11", "3", "4"],
    }  # fmt: skip
    ridge = by_trap["ridge"]
    assert (ridge["sightings"], ridge["per_100_nights"], ridge["low_95"], ridge["high_95"]) == (
        "1",
        "12.50",
        "0.32",
        "69.65",
    )
    assert ridge["sightings_in_other_nights"] == "2" and by_trap["east"]["per_100_nights"] == "NA"


def test_detection_histories_are_na_where_nothing_worked(worked):
    """Sites by occasions of three nights; sightings in unknown or silent nights do not count."""
    head = ["site", "2026-10-30", "2026-11-02", "2026-11-05", "2026-11-08"]
    assert table(worked, "detections", days=3) == [
        head, ["site1", "0", "1", "0", "0"], ["site2", "NA", "0", "1", "0"]]  # fmt: skip
    assert table(worked, "effort", days=3) == [head, ["site1", "1", "3", "3", "1"], ["site2", "NA", "1", "3", "3"]]


def test_sightings_have_their_site_and_the_stations_time(worked):
    """One line per event; for another label, the events that people gave that label."""
    lines = table(worked, "records")
    assert lines[0] == ["Station", "Trap", "Species", "DateTimeOriginal"] and len(lines) == 5
    assert ["site2", "west", "snow_leopard", "2026-11-06 16:48:00"] in lines
    review(worked.database, ("west", "west-520"), "relabelled", "a", NOW, "wolf")
    assert table(worked, "records", label="wolf")[1:] == [["site2", "west", "wolf", "2026-11-06 16:48:00"]]
    assert len(table(worked, "nights")) == 1 + 13 + 13 + 8


@pytest.mark.parametrize(
    ("kind", "changed"),
    [
        ("other", {}),
        ("nights", {"days": 0}),
        ("nights", {"last": FIRST - DAY}),
        ("nights", {"first": date(1900, 1, 1)}),
    ],
    ids=["no such table", "no nights an occasion", "ends before it begins", "too many"],
)
def test_impossible_tables_are_refused(stored, kind, changed):
    """With one line."""
    with stored.database.reading() as connection, pytest.raises(DataError, match="expected"):
        effort_csv(connection, kind, Wanted(**({"first": FIRST, "last": LAST, "zone": UTC} | changed)), NOW)


def test_every_table_is_written_by_the_command(on_sqlite, tmp_path, capsys):
    """`uncia-collect effort KIND` writes the table and prints its nights."""
    nights = ["--since", "2026-10-30", "--until", "2026-11-11", "--data", str(on_sqlite.root)]
    codes = [main(["effort", kind, "--out", str(tmp_path / kind), *nights]) for kind in TABLES]
    assert codes == [0] * 5 and "nights 2026-10-30 to 2026-11-11 of UTC" in capsys.readouterr().out
    assert main(["effort", "detections", "--out", str(tmp_path / "x"), *nights, "--days", "0"]) == 2


def page_of(stored, role: str, address: str):
    """The browser of a person with that role."""
    People(stored.database).set_user("a", "snow and rocks", role, NOW)
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database))
    client.post("/login", data={"name": "a", "password": "snow and rocks"})
    return client.get(address)


def test_the_page_shows_nights_and_offers_the_tables(worked):
    """The page says since when nights are known; a viewer gets no table with sites."""
    page = page_of(worked, "reviewer", "/effort?days=730").text
    assert "The history of the traps begins at 2026-11-01 12:00:00" in page and "less than 30 minutes apart" in page
    assert page.count(".csv?days=730") == len(TABLES)
    sent = page_of(worked, "reviewer", "/effort/detections.csv?days=730&occasion=30")
    assert sent.status_code == 200 and sent.text.startswith("site,20") and "site2" in sent.text
    assert ".csv" not in page_of(worked, "viewer", "/effort").text
    assert page_of(worked, "viewer", "/effort/detections.csv").status_code == 403
    assert page_of(worked, "reviewer", "/effort/other.csv").status_code == 404
