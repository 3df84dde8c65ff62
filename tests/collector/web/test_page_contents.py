"""The contents of the pages: each fact that the documents promise is on its page."""

import html
import re
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

import msgspec
import pytest
from sqlalchemy import update
from starlette.responses import PlainTextResponse
from starlette.testclient import TestClient
from starlette.types import Receive, Scope, Send
from tests.collector.web.test_page import ONE, PASSWORD, as_role, csrf_of, state_message, station

from uncia_collector.catalogue.access.people_in_pictures import erase
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import traps, users
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.limits.rate_limit import RateLimit
from uncia_collector.web.security import Guard
from uncia_contract.messages.records import Preview, TrapState, decode, encode

__all__ = ["as_role", "station"]
HEADER = "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"


def test_gallery_card_has_night_trap_score_and_best_frame(as_role):
    """Night by night, with the best frame's thumbnail, which is loaded when it comes into view."""
    text = as_role("viewer").get("/").text

    assert "Night of Sunday 22 November 2026" in text or "Night of Monday 23 November 2026" in text
    assert "<strong>ridge</strong>" in text and ">0.90</span>" in text
    assert re.search(rf'<img loading="lazy"[^>]*src="{ONE}/0.card.jpg"', text)


def test_gallery_and_sequence_show_the_same_score(as_role, stored, make_sequence):
    """A score just below 1 is 0.99 on the card and beside the frame, and 99 of 100 in words; only exactly 1 is 1."""
    stored.commit(*make_sequence(id="sure", score=0.997).messages())
    page = as_role("viewer")
    assert ">0.99</span>" in page.get("/").text
    text = page.get("/sequences/ridge/sure").text
    assert text.count(">0.99</span>") == 2 and ">99</span> of 100" in text and "1.00" not in text


def test_deleted_pictures_of_people_are_named_as_deleted(as_role, stored, make_sequence):
    """Neither the card nor the page says that they will still arrive."""
    stored.commit(*make_sequence(id="herder", label="person").messages(), now=datetime(2026, 1, 1, tzinfo=UTC))
    assert erase(stored.database, stored.root, {"person"}, datetime.now(UTC)) == 1
    page = as_role("viewer")
    assert "showed people: deleted" in page.get("/").text and 'pending">frames under way' not in page.get("/").text
    assert "showed people and were deleted." in page.get("/sequences/ridge/herder").text


def test_a_viewer_is_told_why_there_is_no_picture(as_role, stored, make_sequence):
    """A sequence that shows people has a text instead of grey pictures; a reviewer sees the pictures."""
    stored.commit(*make_sequence(id="herder", label="person").messages())
    shown = {role: as_role(role).get("/sequences/ridge/herder").text for role in ("viewer", "reviewer")}
    assert "This sequence shows people" in shown["viewer"] and 'id="picture"' not in shown["viewer"]
    assert "This sequence shows people" not in shown["reviewer"] and 'id="picture"' in shown["reviewer"]


def test_only_reviewers_get_a_link_to_the_audits(as_role, stored, make_sequence):
    """Only if there are audits."""
    assert "Review the audits" not in as_role("reviewer").get("/recall").text
    stored.commit(*make_sequence(id="audit", positive=False, audit=True).messages())
    told = {role: "Review the audits" in as_role(role).get("/recall").text for role in ("viewer", "reviewer")}
    assert told == {"viewer": False, "reviewer": True}


@pytest.mark.parametrize(("age_h", "offered"), [(1, True), (13, False)], ids=["this sitting", "yesterday"])
def test_only_an_answer_of_this_sitting_can_be_undone(as_role, stored, age_h, offered):
    """Yesterday's answer takes no space on every page."""
    when = datetime.now(UTC) - timedelta(hours=age_h)
    review(stored.database, ("ridge", "000001"), "confirmed", "reviewer", when)
    page = as_role("reviewer")
    assert [("Saved: " in page.get(address).text) for address in ("/", ONE)] == [offered, offered]


def test_sequence_page_shows_how_it_was_decided(as_role):
    """Frames, their scores, threshold line, clock, bundle and its version, and the zone of every time."""
    text = as_role("viewer").get(ONE).text

    assert text.count('<a class="frame"') == text.count("<circle") == 2 and text.count("<rect") == 1
    assert '<b class="asked">Snow leopard?</b> Sure: <span class="score over">90</span> of 100' in text
    assert 'line class="threshold"' in text and "at threshold 0.50" in text
    assert "<dd>synchronised; times from the trap's clock</dd>" in text
    assert "<dd>starter version 1 " in text and "Times are in UTC." in text


@pytest.mark.parametrize("age_h", [1, 60], ids=["in its rhythm", "silent for days"])
def test_trap_card_shows_how_it_fares(as_role, stored, age_h):
    """Outbox, battery, bundle, last message; OVERDUE only if the silence is longer than usual for this trap."""
    state = msgspec.structs.replace(
        decode(state_message().payload, TrapState), battery_v=12.3, outbox_sequences=7, outbox_bytes=4_200_000
    )
    stored.commit(RawMessage("uncia/v1/ridge/state", encode(state)))
    heard = datetime.now(UTC) - timedelta(hours=age_h)
    with stored.database.writing() as connection:
        connection.execute(update(traps).values(last_seen_at=heard, gaps_s=",".join(["14400"] * 6)))
    text = as_role("viewer").get("/traps").text

    assert "7 sequences, 4.2 MB" in text and "12.3 V" in text and "b version 1" in text and f"{heard:%Y-%m-%d}" in text
    assert "normally within 8 h" in text and ("OVERDUE" in text) == (age_h > 8)


def test_deployed_trap_without_any_message_is_named(as_role, stored, tmp_path):
    """A trap that has been silent since its first day is on the page."""
    table = tmp_path / "more.csv"
    table.write_text(f"{HEADER}d2,36.9,73.0,2026-01-01T00:00:00Z,,saddle\n")
    read_deployments(table, stored.database)

    assert "never heard: saddle." in as_role("viewer").get("/traps").text


def test_map_has_graticule_scale_and_the_trap_without_tiles(as_role):
    """Lines with their degrees, a scale, the place; no request to a tile server."""
    text = as_role("reviewer").get("/map?days=3650").text

    assert text.count('class="graticule"') >= 2 and "° N" in text and "° E" in text and " km</text>" in text
    assert (
        '<a href="/?trap=ridge" aria-label="ridge: 1"><circle' in text and "<image" not in text and "http" not in text
    )


def test_activity_counts_by_hour_and_by_trap_and_week(as_role):
    """One sighting at three in the morning, in the week of its Monday."""
    text = as_role("viewer").get("/activity?days=3650").text
    hours = re.search(r"Sightings by hour: ([\d, ]+)", text)[1].split(", ")

    assert (hours.index("1"), sum(map(int, hours))) == (3, 1)
    assert '<th scope="row">ridge</th>' in text and re.search(r'<th scope="col">\d+ Nov</th>', text)


@pytest.mark.parametrize(
    ("path", "advice"), [("/?trap=nobody", "under these filters"), ("/activity?trap=x", "No sight")]
)
def test_empty_page_says_so(as_role, path, advice):
    """Each page without data says why, and what to do."""
    assert advice in as_role("viewer").get(path).text


@pytest.mark.parametrize(
    ("path", "code", "words"),
    [("/nothing", 404, "There is no such page."), (f"{ONE}x", 404, "no such sequence"), ("/map", 403, "role")],
)
def test_error_page_has_a_sentence_and_a_way_back(as_role, path, code, words):
    """The page has no coordinates."""
    response = as_role("viewer").get(path)

    assert response.status_code == code and words in response.text and "Back to the nights" in response.text
    assert "36.9" not in response.text


def test_an_internal_error_is_a_page_too(station, monkeypatch):
    """The page shows no traceback, and the answer has the headers of every answer."""
    monkeypatch.setattr(People, "person_of_token", lambda *_: 1 / 0)
    client = TestClient(station, raise_server_exceptions=False, cookies={"uncia": "x"})
    response = client.get("/traps")

    assert response.status_code == 500 and "No data are lost" in response.text and "ZeroDivision" not in response.text
    assert "default-src 'none'" in response.headers["content-security-policy"]


def test_requests_beyond_the_limit_are_refused():
    """Each address has its own bucket of requests; beyond it 429, with the headers."""

    async def page(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    guard = Guard(page, RateLimit(burst=2, per_s=0.001), lambda _: PlainTextResponse("wait", 429))
    client = TestClient(guard)
    answers = [client.get("/") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert "default-src 'none'" in answers[2].headers["content-security-policy"]


def test_password_is_kept_as_argon2id_only(as_role, stored):
    """Neither the password nor a quick hash of it is in the catalogue."""
    with stored.database.reading() as connection:
        kept = {row.password for row in connection.execute(users.select())}

    assert all(text.startswith("$argon2id$") and PASSWORD not in text for text in kept) and len(kept) == 3


def test_logging_out_ends_the_session(as_role):
    """A stolen cookie is not valid afterwards, and the browser is told to clear what it stores."""
    client = as_role("viewer")
    token = client.cookies["uncia"]
    answer = client.post("/logout", data={"csrf": csrf_of(client)})
    client.cookies.set("uncia", token)

    assert client.get("/").status_code == 303 and '"cache"' in answer.headers["clear-site-data"]


def test_a_sequence_after_midnight_belongs_to_the_evening_before(stored, make_sequence, as_role):
    """A night lasts from noon to noon at the station's clock."""
    moments = {"a": (22, 11, 59), "b": (22, 12, 0), "c": (22, 23, 59), "d": (23, 0, 1), "e": (23, 11, 59)}
    for trap, (day, hour, minute) in moments.items():
        stored.commit(
            make_sequence(trap=trap, started_at=datetime(2026, 11, day, hour, minute, tzinfo=UTC)).record_message()
        )
    nights = as_role("viewer").get("/").text.split("<section")[1:]

    found = {re.search(r"Night of (\w+)", part)[1]: set(re.findall(r"<strong>(\w)</strong>", part)) for part in nights}
    assert found == {"Sunday": {"b", "c", "d", "e"}, "Saturday": {"a"}}


@pytest.mark.parametrize(
    ("path", "advice"),
    [
        ("/", "Nothing here yet. Traps send the sequences in which they recognise the animal"),
        ("/?state=open", "Nothing waits for review."),
        ("/traps", "No trap has sent a message yet. Start one with this station's broker"),
        ("/map", "<code>uncia-collect deployments deployments.csv --config collector.toml</code>"),
        ("/activity", "No sightings in this time."),
        ("/recall", "No audit has arrived. Set an audit budget"),
        ("/quarantine", "Nothing was refused."),
    ],
)
def test_station_without_messages_says_what_to_do(stored, path, advice):
    """Without traps and sequences, each page says so, and how to get them."""
    People(stored.database).set_user("anara", PASSWORD, "reviewer", datetime.now(UTC))
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database))
    client.post("/login", data={"name": "anara", "password": PASSWORD})

    assert advice in html.unescape(client.get(path).text)


def test_preview_has_its_box_until_the_frame_comes(as_role, stored, make_sequence, make_jpeg):
    """The region of the previewed frame is drawn on the preview; frames without a picture have none."""
    preview = Preview(1, 64, 48, make_jpeg(5))
    stored.commit(make_sequence(id="p", preview=preview, region=(0.1, 0.2, 0.25, 0.5)).record_message())
    text = as_role("viewer").get("/sequences/ridge/p").text

    box = re.search(r'<img id="picture" src="(\S+)".*?<rect ([^/]+)/>', text, re.DOTALL)
    assert box[1].endswith("/p/1.thumbnail.jpg") and '<span class="frame">' in text
    assert [float(number) for number in re.findall(r'"([\d.]+)"', box[2])] == [6.4, 9.6, 16.0, 24.0]
    assert text.count("<rect") == 1 and text.count(">under way<") == 1


def test_reviewer_is_named_on_the_page(as_role):
    """The page names the person who is logged in, and who answered what, also undone answers."""
    client = as_role("reviewer")
    for form, address in (("verdict=confirmed", f"{ONE}/review"), ("verdict=rejected", f"{ONE}/review"), ("", "/undo")):
        client.post(address, data=dict([form.split("=")] if form else []) | {"csrf": csrf_of(client)})
    text = as_role("viewer").get(ONE).text

    assert ">viewer</a>" in text and "reviewer: confirmed, 20" in text
    assert re.search(r'class="undone">reviewer: rejected, [^<]+ \(taken back\)', text)


def test_filters_stay_after_the_login(as_role, station):
    """After a login, with or without a wrong password before, the person gets the page of before."""
    client = TestClient(station, follow_redirects=False)
    asked = "/?trap=ridge&min_score=0.5"
    form = client.get(client.get(asked).headers["location"]).text
    wrong = client.post("/login", data={"name": "viewer", "password": "x", "next": hidden_next(form)}).text
    right = client.post("/login", data={"name": "viewer", "password": PASSWORD, "next": hidden_next(wrong)})

    assert right.headers["location"] == asked


def hidden_next(text: str) -> str:
    """The address to which a login form leads."""
    return html.unescape(re.search(r'name="next" value="([^"]*)"', text)[1])


@pytest.mark.parametrize(
    ("came_from", "leads_to"),
    [(f"http://testserver{ONE}?trap=ridge", f"{ONE}?trap=ridge"), ("http://evil.example/x", "/")],
)
def test_form_after_a_log_out_leads_back_after_the_login(station, came_from, leads_to):
    """Nothing is saved, and the page says so; its button leads to the login and back, never to another site."""
    client = TestClient(station, follow_redirects=False)
    answer = client.post(f"{ONE}/review", data={"verdict": "confirmed"}, headers={"referer": came_from})

    assert answer.status_code == 401 and "nothing was saved" in answer.text
    assert f'href="/login?next={quote(leads_to, safe="")}">Log in' in answer.text


def test_too_many_requests_is_a_page_too(station):
    """429 is a page with the style and headers of the others, and says how long to wait."""
    station.state.requests.burst = 0.0
    answer = TestClient(station).get("/traps")

    assert answer.status_code == 429 and "Wait a few seconds" in answer.text and "Back to the nights" in answer.text
    assert answer.headers["retry-after"] == "5" and "default-src 'none'" in answer.headers["content-security-policy"]
    assert TestClient(station).get("/static/uncia.css").status_code == 200
