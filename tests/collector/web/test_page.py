"""The page without a browser: logins, roles, CSRF tokens, exports, metrics."""

import re
from datetime import UTC, datetime
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import pytest
from starlette.testclient import TestClient
from tests.collector.conftest import tells_of

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.languages.catalogues import languages
from uncia_collector.settings import CollectorSettings, HttpSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.limits.rate_limit import RateLimit
from uncia_collector.web.server import PageServer
from uncia_contract.messages.records import BundleIdentity, Counters, TrapState, encode

PASSWORD = "snow and rocks"
ONE = "/sequences/ridge/000001"
PAGES = ["/", "/traps", "/map", "/activity", "/recall", "/quarantine", "/export", "/users", ONE, f"{ONE}/0.jpg"]


@pytest.fixture
def station(stored, sent, tmp_path):
    """An application with a small catalogue, one deployment and three people."""
    places = tmp_path / "deployments.csv"
    places.write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
        "d1,36.9123,73.0456,2026-01-01T00:00:00Z,,ridge\n"
    )
    read_deployments(places, stored.database)
    stored.commit(*sent.messages(), state_message())
    people = People(stored.database)
    for role in ("viewer", "reviewer", "administrator"):
        people.set_user(role, PASSWORD, role, datetime.now(UTC))
    return make_app(CollectorSettings(data=str(stored.root)), stored.database)


def state_message() -> RawMessage:
    """A state that holds the trap's position."""
    state = TrapState(
        trap="ridge", bundle=BundleIdentity("b", 1, "0" * 64), runtime="r", delegate="cpu", software="s", boot_id="b",
        uptime_s=1, sent_at=datetime.now(UTC), clock_synchronised=True, disk_free_bytes=1, outbox_sequences=0,
        outbox_bytes=0, outbox_age_s=0, counters=Counters(), latitude=36.9123, longitude=73.0456,
    )  # fmt: skip
    return RawMessage("uncia/v1/ridge/state", encode(state))


@pytest.fixture
def as_role(station):
    """Makes a client that is logged in with a role."""

    def enter(role: str) -> TestClient:
        client = TestClient(station, follow_redirects=False)
        assert client.post("/login", data={"name": role, "password": PASSWORD}).status_code == 303
        return client

    return enter


def csrf_of(client: TestClient) -> str:
    """The CSRF token of the client's forms."""
    return re.search(r'data-csrf="([^"]+)"', client.get("/").text)[1]


@pytest.mark.parametrize("path", [*PAGES, "/export/scores", f"{ONE}/0.thumbnail.jpg"])
def test_nothing_is_shown_to_strangers(station, path):
    """Every page redirects to the login."""
    response = TestClient(station, follow_redirects=False).get(path)

    assert (response.status_code, response.headers["location"].split("?")[0]) == (303, "/login")


@pytest.mark.parametrize(
    ("role", "refused"),
    [("viewer", {"/map", "/quarantine", "/export", "/users"}), ("reviewer", {"/users"}), ("administrator", set())],
)
def test_each_role_sees_its_pages(as_role, role, refused):
    """The other pages give 403."""
    client = as_role(role)

    assert {path for path in PAGES if client.get(path).status_code != 200} == refused


@pytest.mark.parametrize("path", [*PAGES, f"{ONE}?activation=1", f"{ONE}/0.thumbnail.jpg", "/health", "/no"])
def test_no_page_shows_a_viewer_where_traps_stand(as_role, path):
    """No page has a latitude or longitude."""
    content = as_role("viewer").get(path).content

    assert b"36.9" not in content and b"73.0" not in content


def test_no_picture_shows_a_viewer_where_it_was_taken(as_role, stored, make_sequence, placed_jpeg):
    """People who may see places get the file unchanged; a viewer gets the same pixels without GPS."""
    picture = placed_jpeg()
    stored.commit(*make_sequence(id="gps", pictures=[picture]).messages())

    seen = {role: as_role(role).get("/sequences/ridge/gps/0.jpg").content for role in ("viewer", "reviewer")}

    assert seen["reviewer"] == picture and tells_of(seen["viewer"]) == []
    assert tells_of(as_role("viewer").get("/sequences/ridge/gps/0.thumbnail.jpg").content) == []


@pytest.mark.parametrize("csrf", ["", "wrong"])
def test_form_without_its_token_is_refused(as_role, stored, csrf):
    """A form of another site changes nothing."""
    response = as_role("reviewer").post(f"{ONE}/review", data={"verdict": "confirmed", "csrf": csrf})

    with stored.database.reading() as connection:
        assert (response.status_code, gallery.sequence(connection, ("ridge", "000001")).review) == (403, "open")


def test_viewer_cannot_review(as_role):
    """A viewer's form is refused even with the right token."""
    client = as_role("viewer")

    assert client.post(f"{ONE}/review", data={"verdict": "confirmed", "csrf": csrf_of(client)}).status_code == 403


def test_an_answer_after_another_is_reported_and_not_lost(as_role, stored):
    """409: the other's answer, one's own, and a form with all of it; sent again, it is stored beside the other's."""
    first, second = as_role("administrator"), as_role("reviewer")
    form = {"verdict": "relabelled", "label": "wolf", "count": "2", "note": "at the <pass>", "query": "trap=ridge"}
    proof = csrf_of(second)
    assert (
        first.post(f"{ONE}/review", data={"verdict": "confirmed", "seen": "0", "csrf": csrf_of(first)}).status_code
        == 303
    )
    told = second.post(f"{ONE}/review", data=form | {"seen": "0", "csrf": proof})
    assert told.status_code == 409 and "administrator: confirmed" in told.text
    assert "wolf (2): at the &lt;pass&gt;" in told.text
    kept = dict(
        re.findall(r'type="hidden" name="([^"]+)" value="([^"]*)"', told.text.split("<main")[1].split("</main")[0])
    )
    assert kept | {"note": form["note"]} == form | {"seen": "1", "csrf": proof}

    assert second.post(f"{ONE}/review", data=kept).status_code == 303
    page = second.get(ONE).text
    assert "reviewer: wolf (2)" in page and "administrator: confirmed" in page and 'name="seen" value="2"' in page


def test_an_answer_after_another_is_reported_in_ones_own_language(as_role, stored):
    """Yes and no are translated, too."""
    first, second = as_role("administrator"), as_role("reviewer")
    first.post(f"{ONE}/review", data={"verdict": "confirmed", "csrf": csrf_of(first)})
    People(stored.database).set_language("reviewer", "ru")
    told = second.post(f"{ONE}/review", data={"verdict": "rejected", "seen": "0", "csrf": csrf_of(second)})

    assert told.status_code == 409 and languages()["ru"].texts.gettext("rejected") in told.text


def test_a_selection_overwrites_no_answer_that_was_not_seen(as_role, stored):
    """An answer that the gallery showed may be replaced; a newer one may not."""
    first, second = as_role("administrator"), as_role("reviewer")
    first.post(f"{ONE}/review", data={"verdict": "confirmed", "csrf": csrf_of(first)})
    picked = re.search(r'name="(pick-[^"]+)" value="([^"]+)"', second.get("/").text)
    assert picked[2].split() == ["ridge/000001/1"]
    form = {picked[1]: picked[2], "verdict": "rejected", "csrf": csrf_of(second)}
    first.post(f"{ONE}/review", data={"verdict": "relabelled", "label": "wolf", "csrf": csrf_of(first)})

    assert second.post("/review", data=form).status_code == 409
    with stored.database.reading() as connection:
        assert gallery.sequence(connection, ("ridge", "000001")).review_label == "wolf"
    assert second.post("/review", data=form | {picked[1]: "ridge/000001/2"}).status_code == 303


def test_the_export_page_says_what_is_left_out_before_and_after(as_role, stored, make_sequence):
    """Counts, traps and reasons; afterwards, who exported what."""
    stored.commit(*make_sequence(id="far", trap="unplaced").messages())
    client, left = as_role("reviewer"), "sequences outside every deployment: 1 (unplaced 1)"
    assert f"Sequences: 1. Left out: {left}." in client.get("/export").text
    assert client.get("/export/camtrap-dp").status_code == 200
    assert f"reviewer: Camtrap DP 1.0. Sequences: 1. Left out: {left}." in client.get("/export").text


def test_a_large_catalogue_is_counted_only_on_request(as_role, stored, make_sequence, monkeypatch):
    """The page itself must be fast."""
    monkeypatch.setattr("uncia_collector.web.export_pages.FEW", 0)
    client = as_role("reviewer")
    assert "Sequences: 1." not in client.get("/export").text and 'href="/export?count=1"' in client.get("/export").text
    assert "Sequences: 1. Nothing is left out." in client.get("/export?count=1").text


@pytest.mark.heavy
def test_guessing_passwords_is_slow(station):
    """The eleventh attempt in a row is refused."""
    client = TestClient(station)
    codes = [client.post("/login", data={"name": "nobody", "password": str(n)}).status_code for n in range(11)]

    assert codes == [401] * 10 + [429]


@pytest.mark.heavy
def test_no_header_gives_another_address(station):
    """A client on the station's own machine cannot choose the address for which its attempts are counted."""
    server = PageServer(station, HttpSettings(port=0))
    server.start()
    codes = []
    for n in range(11):
        form = f"name=nobody{n}&password=wrong".encode()
        guess = Request(f"{server.address}login", form, {"x-forwarded-for": f"10.0.0.{n}"})
        with pytest.raises(HTTPError) as answer:
            urlopen(guess, timeout=60)
        codes.append(answer.value.code)
    server.stop()

    assert codes == [401] * 10 + [429]


def test_login_gives_a_token_of_its_own(station):
    """A token that somebody planted in the browser is not valid, before or after the login."""
    client = TestClient(station, cookies={"uncia": "planted"}, follow_redirects=False)
    given = client.post("/login", data={"name": "viewer", "password": PASSWORD}).headers["set-cookie"]

    assert given.startswith("uncia=") and "planted" not in given
    assert TestClient(station, cookies={"uncia": "planted"}, follow_redirects=False).get("/").status_code == 303


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_nobody_raises_their_own_role(as_role, role):
    """Others can neither change roles nor read the list of users, even with a valid token."""
    client = as_role(role)
    form = {"csrf": csrf_of(client), "name": role, "password": PASSWORD, "role": "administrator"}

    assert (client.post("/users", data=form).status_code, client.get("/users").status_code) == (403, 403)


def test_changed_role_ends_earlier_logins(station, as_role):
    """A tablet that is still logged in loses the old role's rights."""
    client = as_role("administrator")
    station.state.people.set_user("another", PASSWORD, "administrator", datetime.now(UTC))
    station.state.people.set_user("administrator", PASSWORD, "viewer", datetime.now(UTC))

    assert client.get("/users").status_code == 303


@pytest.mark.parametrize("target", ["//evil.example/", "https://evil.example/", "/\\evil.example"])
def test_login_redirects_only_within_the_station(station, target):
    """`next` with another site's address is ignored."""
    client = TestClient(station, follow_redirects=False)
    response = client.post("/login", data={"name": "viewer", "password": PASSWORD, "next": target})

    assert response.headers["location"] == "/"


def test_cookie_is_out_of_reach_of_scripts_and_other_sites(station):
    """The cookie is HttpOnly and SameSite."""
    cookie = TestClient(station, follow_redirects=False).post("/login", data={"name": "viewer", "password": PASSWORD})

    assert {"httponly", "samesite=strict"} <= set(cookie.headers["set-cookie"].lower().split("; "))


@pytest.mark.parametrize("path", ["/login", "/static/uncia.css", "/nothing"])
def test_every_answer_has_the_headers(station, path):
    """No content of other sites runs on our pages, and no other site frames them."""
    headers = TestClient(station).get(path).headers

    assert "default-src 'none'" in headers["content-security-policy"] and headers["x-content-type-options"] == "nosniff"


DAMAGED = [
    "/?since=yesterday",
    "/?before=x",
    "/?min_score=a",
    "/export/../../etc/passwd",
    "/sequences/ridge/..%2f..%2fx",
]
DAMAGED += [
    "/sequences/ridge/..%2f..%2fx",
    "/sequences/ridge/000001/99.jpg",
    "/sequences/%00/x",
    "/?trap=%00&state=%ff",
    "/activity?trap=%00",
    "/sequences/ridge/000001/99999999999999999999.jpg",
    "/?before=2026-01-01T00:00:00~%00~%00",
    "/?since=0001-01-01&until=9999-12-31",
    "/activity?days=²",
    f"/map?days={'9' * 5000}",
]


@pytest.mark.parametrize("path", DAMAGED)
def test_damaged_address_is_no_crash(as_role, path):
    """An error page names the damage."""
    assert as_role("administrator").get(path).status_code in {200, 400, 404}


@pytest.mark.parametrize("field", ["name", "password", "next"])
def test_damaged_login_is_no_crash(station, field):
    """NUL in a form is refused like any other mistake."""
    form = {"name": "viewer", "password": PASSWORD} | {field: "\0"}

    assert TestClient(station, follow_redirects=False).post("/login", data=form).status_code in {303, 400, 401}


def test_names_are_text_not_markup(as_role, stored, make_sequence):
    """A name that a trap or a reviewer gives cannot become a script."""
    client = as_role("reviewer")
    evil = {"verdict": "relabelled", "label": "<script>", "csrf": csrf_of(client)}

    assert client.post(f"{ONE}/review", data=evil).status_code == 400
    assert "<script>alert" not in client.get("/?label=<script>alert(1)</script>").text


def test_metrics_count_what_arrived(station):
    """Prometheus' text format, without a login and without places."""
    text = TestClient(station).get("/metrics").text

    assert 'uncia_events_total{kind="sequences",trap=""} 1.0' in text and "36.9" not in text


def test_bucket_fills_again():
    """After a burst of requests, a client must wait until its bucket fills again."""
    now = [0.0]
    limit = RateLimit(2, 1.0, lambda: now[0])
    assert [limit.allows("a") for _ in range(3)] == [True, True, False] and limit.allows("b")
    now[0] = 1.0

    assert limit.allows("a")


def test_pages_of_the_gallery_are_complete(stored, make_sequence, monkeypatch):
    """Older pages, and newer ones back, show every sequence once, also sequences of one time."""
    monkeypatch.setattr(gallery, "PAGE", 3)
    stored.commit(*(make_sequence(id=f"{n}", trap=trap).record_message() for n in range(4) for trap in ("a", "b")))
    zone, seen, at = CollectorSettings().zone, [], None
    with stored.database.reading() as connection:
        while True:
            page = gallery.page(connection, gallery.Filters(), zone, before=at)
            seen += [(row.trap, row.id) for row in page.rows]
            if (at := page.older) is None:
                break
        back = gallery.page(connection, gallery.Filters(), zone, after=gallery.cursor(page.rows[0]))
    assert len(seen) == len(set(seen)) == 8 and [(r.trap, r.id) for r in back.rows] == seen[3:6]
