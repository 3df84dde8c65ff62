"""The page of deployments: administrators correct clocks and remove wrong deployments."""

import html
import re
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.schema import deployments, sequences
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def browse(on_sqlite, sent, tmp_path):
    """Makes a client that is logged in, and its CSRF token; the station's zone is UTC+5."""
    on_sqlite.commit(*sent.messages())
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,latitude,longitude,deploymentStart,cameraID\nd1,36.9,73.0,2026-01-01,ridge\n")
    read_deployments(table, on_sqlite.database)
    settings = CollectorSettings(data=str(on_sqlite.root), time_zone="Asia/Karachi")
    people, app = People(on_sqlite.database), make_app(settings, on_sqlite.database)

    def log_in(role: str) -> tuple[TestClient, str]:
        people.set_user(role, "snow and rocks", role, NOW)
        client = TestClient(app)
        page = client.post("/login", data={"name": role, "password": "snow and rocks"}).text
        return client, page.split('data-csrf="')[1].split('"')[0]

    return log_in


def began(stored) -> datetime:
    with stored.database.reading() as connection:
        return connection.execute(select(sequences.c.started_at)).scalar_one()


@pytest.mark.parametrize(
    "form",
    [{"by": "2h"}, {"sequence": "000001", "taken_at": "2026-11-23T10:00:00"}],
    ids=["by a difference", "by one sequence, at the station's clock"],
)
def test_an_administrator_corrects_a_clock(browse, on_sqlite, form):
    """The page shows the correction; the sequence's page shows the trap's original time."""
    client, csrf = browse("administrator")
    page = client.post("/deployments/clock", data={"deployment": "d1", "csrf": csrf} | form).text

    assert began(on_sqlite) == NOW - timedelta(hours=1) and "corrected by <b>+2h</b> in 1 sequence<" in page
    assert "corrected, the trap said 2026-11-23 08:00:00" in client.get("/sequences/ridge/000001").text


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ({}, "either a difference, or a sequence"),
        ({"by": "2h", "sequence": "000001"}, "either a difference, or a sequence"),
        ({"by": "soon"}, "difference &#39;soon&#39;: expected such as"),
        ({"sequence": "000001", "taken_at": ""}, "expected a time such as"),
        ({"sequence": "none", "taken_at": "2026-11-23T10:00"}, "not from ridge"),
    ],
    ids=["nothing", "both", "no difference", "no time", "no sequence"],
)
def test_a_wrong_form_is_refused_with_a_message(browse, on_sqlite, form, message):
    """No time is moved."""
    client, csrf = browse("administrator")
    answer = client.post("/deployments/clock", data={"deployment": "d1", "csrf": csrf} | form)

    assert answer.status_code == 400 and message in answer.text and began(on_sqlite) == NOW - timedelta(hours=3)


@pytest.mark.parametrize(("camera", "deployment"), [("cam-b", "d4"), ("cam-c", "d1")], ids=["its own", "the hub's"])
def test_a_hub_cameras_sequence_leads_to_its_deployment(browse, on_sqlite, make_sequence, tmp_path, camera, deployment):
    """The link of the sequence's page preselects the camera's deployment, else that of its hub."""
    on_sqlite.commit(*make_sequence(id="2", camera=camera).messages())
    client, _ = browse("administrator")
    table = tmp_path / "cameras.csv"
    rows = "".join(f"d{n},36.9,73.0,2026-01-01,ridge/cam-{letter}\n" for n, letter in ((3, "a"), (4, "b")))
    table.write_text(f"deploymentID,latitude,longitude,deploymentStart,cameraID\n{rows}")
    read_deployments(table, on_sqlite.database)
    link = re.search(r'href="(/deployments[?][^"]*)"', client.get("/sequences/ridge/2").text)[1]

    assert re.findall(r'value="(d.)" selected', client.get(html.unescape(link)).text) == [deployment]


def test_a_wrong_deployment_is_removed(browse, on_sqlite):
    """The form has a list of deployments by name."""
    client, csrf = browse("administrator")
    page = client.post("/deployments/remove", data={"deployment": "d1", "csrf": csrf}).text

    with on_sqlite.database.reading() as connection:
        assert "No deployments yet" in page and connection.execute(select(deployments)).all() == []


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
@pytest.mark.parametrize("address", ["clock", "remove"])
def test_others_may_not(browse, on_sqlite, role, address):
    """A reviewer sees the table without forms; a viewer does not see the page."""
    client, csrf = browse(role)
    answer = client.post(f"/deployments/{address}", data={"deployment": "d1", "by": "2h", "csrf": csrf})
    shown = client.get("/deployments")

    assert answer.status_code == 403 and began(on_sqlite) == NOW - timedelta(hours=3)
    assert shown.status_code == (403 if role == "viewer" else 200) and "Correct a clock" not in shown.text
