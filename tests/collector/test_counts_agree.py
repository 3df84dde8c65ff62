"""A leopard that stays is one sighting: every page, figure, metric, digest and export counts the same events."""

import csv
import io
import re
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from starlette.testclient import TestClient

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review
from uncia_collector.exports.kinds import Request, export
from uncia_collector.settings import AlertSettings, CollectorSettings
from uncia_collector.station.alerts import Alerts
from uncia_collector.web.app import make_app

NOW = datetime.now(UTC).replace(hour=4, minute=0, second=0, microsecond=0) - timedelta(days=1)


@pytest.fixture
def counted(stored, make_sequence, tmp_path):
    """A leopard that stays for two hours, two that pass, a rejected one, a wolf and a blank: three sightings."""
    times = {"ridge": [0, 20, 40, 60, 80, 100, 120, 160, 170], "valley": [30, 100, 150]}
    for trap, starts in times.items():
        for start in starts:
            known = f"{trap}-{start}"
            sequence = make_sequence(id=known, trap=trap, started_at=NOW + timedelta(minutes=start))
            stored.commit(*sequence.messages(), now=NOW + timedelta(minutes=start))
    stored.commit(*make_sequence(id="blank", positive=False, audit=True, started_at=NOW).messages(), now=NOW)
    for key, verdict, label in (
        (("ridge", "ridge-20"), "confirmed", None), (("valley", "valley-100"), "rejected", None),
        (("valley", "valley-150"), "relabelled", "wolf"),
    ):  # fmt: skip
        review(stored.database, key, verdict, "anara", NOW, label)
    table = tmp_path / "places.csv"
    table.write_text(
        "deploymentID,latitude,longitude,deploymentStart,cameraID\n"
        "d1,36.9,73.0,2026-01-01,ridge\nd2,36.8,73.1,2026-01-01,valley\n"
    )
    read_deployments(table, stored.database)
    return stored


def page_of(stored, address: str) -> str:
    """A page as an administrator sees it."""
    People(stored.database).set_user("anara", "snow and rocks", "administrator", NOW)
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database))
    client.post("/login", data={"name": "anara", "password": "snow and rocks"})
    return client.get(address).text


def on_activity(stored) -> tuple[int, int]:
    page = page_of(stored, "/activity")
    hours = re.search(r'Sightings by hour: ([\d, ]+)"', page)[1]
    return sum(map(int, hours.split(", "))), sum(map(int, re.findall(r"<td><b>(\d+)</b></td>", page)))


def on_map(stored) -> int:
    return sum(map(int, re.findall(r"<td[^>]*>(\d+)</td></tr>", page_of(stored, "/map"))))


def in_metrics(stored) -> int:
    return sum(map(float, re.findall(r"^uncia_sightings{.*} ([\d.]+)$", page_of(stored, "/metrics"), re.M)))


def in_digest(stored) -> int:
    told = []
    alerts = Alerts(CollectorSettings(alerts=AlertSettings(webhook="http://x/", per_hour=0)), stored.database)
    alerts.channels[0].__dict__["send"] = lambda _subject, content: told.append(content)
    alerts.send_due(NOW + timedelta(hours=5))
    return sum(told[0]["sightings"].values())


def in_camtrap_dp(stored) -> int:
    stream = io.BytesIO()
    with stored.database.reading() as connection:
        export("camtrap-dp", Request(connection, "Station", stored.root, NOW), stream)
    with zipfile.ZipFile(stream) as package:
        rows = [*csv.DictReader(io.TextIOWrapper(package.open("observations.csv"), "utf-8"))]
    said = [row for row in rows if row["observationLevel"] == "event"]
    positive = [row for row in rows if "verdict:positive" in row["observationTags"].split("|")]  # the model's word
    leopards = [row for row in said + positive if row["scientificName"] == "Panthera uncia"]
    judged = {row["eventID"] for row in said if row["scientificName"] != "Panthera uncia"}
    return len({row["eventID"] for row in leopards} - judged)


def test_every_page_figure_metric_and_export_counts_the_same(counted):
    """The count is three everywhere."""
    by_hour, by_week = on_activity(counted)
    found = {"hour": by_hour, "week": by_week, "map": on_map(counted), "metrics": in_metrics(counted)}
    found |= {"digest": in_digest(counted), "camtrap-dp": in_camtrap_dp(counted)}
    assert found == dict.fromkeys(found, 3)


@pytest.mark.parametrize("address", ["/activity", "/map"])
def test_the_interval_is_stated(counted, address):
    """A page with counts says what is counted."""
    assert "less than 30 minutes apart" in page_of(counted, address)


def test_earlier_weeks_are_left_out_by_choice_only(stored, make_sequence):
    """The table shows 26 weeks, says how many sightings came before, and shows all when asked."""
    for week in range(40):
        at = NOW - timedelta(weeks=week)
        stored.commit(make_sequence(id=f"w{week}", started_at=at).record_message(), now=at)
    page = page_of(stored, "/activity?days=365")
    assert "14 earlier sightings are counted under All and not shown" in page and page.count('scope="col"') == 28
    every = re.search(r'<a href="(\?[^"]+)">Show all weeks', page)[1].replace("&amp;", "&")
    assert page_of(stored, f"/activity{every}").count('scope="col"') == 42
