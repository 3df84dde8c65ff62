"""Passwords, the last administrator, strangers' login attempts, the access log, the Host header."""

import threading
from datetime import UTC, datetime

import pytest
from starlette.testclient import TestClient

from uncia_collector.catalogue import people as people_module
from uncia_collector.catalogue.access import log
from uncia_collector.catalogue.people import People
from uncia_collector.cli.main import main
from uncia_collector.settings import CollectorSettings, HttpSettings
from uncia_collector.web.app import make_app

PASSWORD, OTHER = "snow and rocks", "rocks and snow"
NOW = datetime(2026, 11, 30, tzinfo=UTC)


@pytest.fixture
def app(on_sqlite):
    people = People(on_sqlite.database)
    for role in ("viewer", "reviewer", "administrator"):
        people.set_user(role, PASSWORD, role, NOW)
    http = HttpSettings(hosts=("station.example.org", "Pamir.Example.org"))
    return make_app(CollectorSettings(data=str(on_sqlite.root), http=http), on_sqlite.database)


def enter(app, name: str, password: str = PASSWORD, address: str = "10.0.0.1") -> TestClient:
    client = TestClient(app, follow_redirects=False, client=(address, 50000))
    client.status = client.post("/login", data={"name": name, "password": password}).status_code
    return client


def csrf(client: TestClient) -> str:
    return client.get("/password").text.split('data-csrf="')[1].split('"')[0]


def change(client: TestClient, old: str, new: str) -> int:
    return client.post("/password", data={"csrf": csrf(client), "old": old, "new": new}).status_code


def test_everybody_changes_their_own_password_and_is_logged_out_everywhere(app) -> None:
    """Viewers, too; logins in other browsers end."""
    one, other = enter(app, "viewer"), enter(app, "viewer")
    assert change(one, PASSWORD, OTHER) == 303
    assert [client.get("/").status_code for client in (one, other)] == [303, 303]
    assert (enter(app, "viewer").status, enter(app, "viewer", OTHER).status) == (401, 303)


@pytest.mark.parametrize(("old", "new"), [("wrong one", OTHER), (PASSWORD, "short")], ids=["wrong", "too short"])
def test_a_password_that_cannot_be_changed_stays(app, old: str, new: str) -> None:
    """The person stays logged in."""
    client = enter(app, "viewer")
    assert change(client, old, new) == 400
    assert client.get("/").status_code == 200
    assert enter(app, "viewer").status == 303


def test_a_changed_password_ends_a_login_that_was_being_made(on_sqlite, app, monkeypatch) -> None:
    """Attack: the old password is sent while it is being changed. The login fails, though the password was right."""
    people, checked, go_on = People(on_sqlite.database), threading.Event(), threading.Event()
    right = people_module._is_right

    def slowly(hashed: str, password: str) -> bool:
        found = right(hashed, password)
        if threading.current_thread().name == "late":
            checked.set()
            go_on.wait(10)
        return found

    monkeypatch.setattr(people_module, "_is_right", slowly)
    tokens = []
    late = threading.Thread(target=lambda: tokens.append(people.log_in("viewer", PASSWORD, NOW)), name="late")
    late.start()
    assert checked.wait(10)
    people.change_password("viewer", PASSWORD, OTHER)
    go_on.set()
    late.join()
    assert tokens == [None]


def test_the_last_administrator_stays(app, on_sqlite, tmp_path, capsys) -> None:
    """It cannot be removed or get another role, by page or command; with a second one, it can."""
    client = enter(app, "administrator")
    form = {"csrf": csrf(client), "name": "administrator", "password": PASSWORD, "role": "viewer"}
    assert client.post("/users", data=form).status_code == 400
    command = ["user", "remove", "administrator", "--data", str(on_sqlite.root)]
    assert main(command) == 2
    assert "is the last administrator: make somebody else one first" in capsys.readouterr().err
    People(on_sqlite.database).set_user("second", PASSWORD, "administrator", NOW)
    assert main(command) == 0


def test_a_stranger_cannot_keep_a_name_locked(app) -> None:
    """Attack: wrong passwords for a name from many addresses. Its owner can log in, from an old and a new address."""
    enter(app, "reviewer", address="10.0.0.1")
    for _ in range(2):
        tried = [enter(app, "reviewer", "wrong password", f"10.0.1.{number}").status for number in range(40)]
    assert tried[30:] == [429] * 10  # each had its first try
    assert enter(app, "reviewer", address="10.0.0.1").status == 303
    assert enter(app, "reviewer", address="10.0.2.1").status == 303


def test_one_network_of_ipv6_has_one_first_try(app) -> None:
    """The holder of a network can choose the lower 64 bits freely."""
    tried = [enter(app, "reviewer", "wrong password", f"2001:db8::{number:x}").status for number in range(1, 60)]
    assert tried[35:] == [429] * 24
    assert enter(app, "reviewer", address="2001:db8:0:1::7").status == 303


def test_the_access_log_shows_an_administrator_who_did_what(app, on_sqlite) -> None:
    """Logins, refusals, users, passwords, exact exports and maps; nobody else reads it."""
    enter(app, "reviewer", "wrong password", "10.0.0.9")
    reviewer, admin = enter(app, "reviewer"), enter(app, "administrator")
    reviewer.get("/map")
    admin.get("/export/scores?exact=1")
    reviewer.get("/export/scores?exact=1")  # coarse: not an exact one
    token = csrf(admin)
    admin.post("/users", data={"csrf": token, "name": "dina", "password": PASSWORD, "role": "viewer"})
    admin.post("/users", data={"csrf": token, "name": "dina", "remove": "1"})
    change(reviewer, PASSWORD, OTHER)
    told = [(entry.what, entry.name, entry.address) for entry in reversed(log.newest(on_sqlite.database, 100))]
    assert told == [
        ("refused", "reviewer", "10.0.0.9"), ("login", "reviewer", "10.0.0.1"),
        ("login", "administrator", "10.0.0.1"), ("exact map", "reviewer", "10.0.0.1"),
        ("exact export", "administrator", "10.0.0.1"), ("user", "administrator", "10.0.0.1"),
        ("removed", "administrator", "10.0.0.1"), ("password", "reviewer", "10.0.0.1"),
    ]  # fmt: skip
    page = admin.get("/accesses")
    assert page.status_code == 200 and "dina: viewer" in page.text and "10.0.0.9" in page.text
    assert enter(app, "viewer").get("/accesses").status_code == 403


def test_refused_logins_displace_no_other_entries(on_sqlite, monkeypatch) -> None:
    """The log limits each kind of entry separately."""
    monkeypatch.setattr(log, "KEPT_REFUSED", 5)
    log.record(on_sqlite.database, "login", "anara", "10.0.0.1", NOW)
    for number in range(20):
        log.record(on_sqlite.database, "refused", f"n{number}", "10.0.0.9", NOW)
    assert [entry.name for entry in log.newest(on_sqlite.database, 100)] == [
        *(f"n{number}" for number in range(19, 14, -1)), "anara",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("host", "served"),
    [
        ("192.168.7.1:8080", True), ("[fe80::1]:8080", True), ("base.local", True), ("localhost:8080", True),
        ("station.example.org", True), ("STATION.example.org:8080", True), ("pamir.example.org", True),
        ("evil.example.com", False), ("127.0.0.1.evil.example.com:8080", False),
        ("a@evil.example.com", False), ("x.y\tz", False),
    ],
)  # fmt: skip
def test_a_request_for_an_unknown_host_name_is_refused(app, host: str, served: bool) -> None:
    """Attack: DNS rebinding lets a foreign page read ours. Addresses and local names are accepted."""
    client = TestClient(app, follow_redirects=False)
    assert client.get("/login", headers={"host": host}).status_code == (200 if served else 421)
