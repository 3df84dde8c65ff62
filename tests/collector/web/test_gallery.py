"""The gallery in a real Chromium: number to review, cards of events, cropped pictures, several answers at once."""

import io
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image, ImageDraw
from starlette.testclient import TestClient
from tests.collector.browser import IDENTITY, PASSWORD, browser, empty_station, station
from tests.collector.conftest import jpeg
from tests.collector.web.test_unseen import hold, key_down, opinions

from uncia_collector.catalogue.review import review, undo
from uncia_collector.web.pictures import card_window
from uncia_contract.pictures.region import Region

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
EVENING = datetime(2026, 11, 22, 20, tzinfo=UTC)
LEFTS = "return [...document.querySelectorAll('.gallery > li')].map(one => one.getBoundingClientRect().left)"


@pytest.fixture
def cats(browser, empty_station, make_sequence):
    """Three sequences of one leopard, one an hour later, and a negative one in between."""
    for n, (minutes, more) in enumerate(
        [(0, {}), (10, {}), (35, {}), (95, {}), (12, {"positive": False, "audit": True})]
    ):
        at = EVENING + timedelta(minutes=minutes)
        sent = make_sequence(id=str(n), started_at=at, pictures=[jpeg(n, (320, 240))], bundle=IDENTITY, **more)
        empty_station.stored.commit(*sent.messages())
    browser.open(empty_station.address)
    return empty_station


def test_navigation_shows_the_number_to_review(browser, station):
    """Three, then two after an answer, on a phone beside the menu; no number if there is nothing to review."""
    link = "nav a[href='/?state=open']"
    assert browser.one(link).text == "To review 3"
    browser.open(f"{station.address}sequences/ridge/2")
    browser.press("n")
    assert browser.one(link).text == "To review 2"
    browser.resize(390, 844)
    assert browser.one(".waiting").text.split() == ["To", "review", "2"]
    for key in "ny":
        browser.press(key)
    assert not browser.all(".waiting")


def test_sequences_of_one_event_are_one_card(browser, cats):
    """Sequences less than half an hour apart are one card with their number; a negative sequence has its own card."""
    counts = [[one.text for one in card.find_elements("css selector", ".count")] for card in browser.all(".card")]
    assert counts == [[], ["3 sequences"], []]
    assert len(browser.all(".others a")) == 2


@pytest.mark.parametrize(
    "region",
    [(0.0, 0.0, 0.2, 0.2), (0.8, 0.7, 0.2, 0.3), (0.3, 0.05, 0.1, 0.9), (0.02, 0.4, 0.96, 0.2), (0.45, 0.45, 0.1, 0.1)],
    ids=["corner", "other corner", "upright", "lying", "far away"],
)
@pytest.mark.parametrize("size", [(1600, 1200), (1920, 1080), (900, 1600)], ids=["4:3", "16:9", "upright"])
def test_card_holds_the_whole_region(region, size):
    """The card holds the region with a margin, for every shape and position, and keeps the picture's shape."""
    left, top, right, bottom = card_window(Region(*region), *size)
    x, y, wide, high = (side * size[k % 2] for k, side in enumerate(region))
    assert left <= max(0, x - wide / 5) and top <= max(0, y - high / 5)
    assert right >= min(size[0], x + 1.2 * wide) - 1 and bottom >= min(size[1], y + 1.2 * high) - 1
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], abs=0.01)


def test_cards_picture_is_cropped_to_the_animal(browser, empty_station, make_sequence):
    """An animal in a corner is whole on its card, and twice as large as on the picture."""
    image = Image.new("RGB", (1600, 1200), "white")
    ImageDraw.Draw(image).rectangle((1280, 840, 1599, 1199), fill="red")
    buffer = io.BytesIO()
    image.save(buffer, "JPEG")
    sent = make_sequence(pictures=[buffer.getvalue()], region=(0.8, 0.7, 0.2, 0.3), bundle=IDENTITY)
    empty_station.stored.commit(*sent.messages())
    client = TestClient(empty_station.app)
    client.post("/login", data={"name": "bek", "password": PASSWORD})
    card = Image.open(io.BytesIO(client.get("/sequences/ridge/000001/0.card.jpg").content)).convert("RGB")
    red = sum(one[1] < 128 for one in card.getdata()) / card.width / card.height
    assert red == pytest.approx(4 * 0.06, abs=0.01)
    browser.open(empty_station.address)
    assert browser.one(".card img").get_property("currentSrc").endswith("/0.card.jpg")


def test_several_are_answered_and_undone_at_once(browser, cats):
    """A card of three sequences and one more give four answers; one undo takes all of them back."""
    for box in browser.all(".pick input")[:2]:
        box.click()
    assert browser.one("#selected").text == "4"
    browser.click(".at-once .no")
    assert sorted(opinions(cats)) == [(str(n), "rejected") for n in range(4)]
    assert browser.one(".saved span").text == "Saved: No, 4 sequences."
    browser.press("u")
    assert opinions(cats) == [] and browser.driver.current_url == cats.address


def test_several_are_answered_without_a_mouse(browser, cats):
    """Arrows, x and y; a held y answers only what is selected; without a selection y does nothing."""
    browser.until(lambda: browser.run("return document.documentElement.classList.contains('ready')"))
    key_down(browser, "y")
    browser.type("j")
    browser.type("x")
    browser.follow(lambda: (key_down(browser, "y"), hold(browser, "y", flagged=False)))
    assert opinions(cats) == [("3", "confirmed")]


def test_selection_without_its_picture_cannot_be_answered(browser, cats):
    """If a selected card's picture cannot be shown, nothing is saved, and the page says so."""
    browser.until(lambda: browser.run("return document.documentElement.classList.contains('ready')"))
    browser.run("document.querySelector('.card img').src = '/nothing.jpg'")
    browser.all(".pick input")[0].click()
    key_down(browser, "n")
    assert browser.one(".wait").is_displayed() and opinions(cats) == []


def test_several_get_one_name(browser, cats):
    """The list beside the answers gives all selected sequences one label."""
    browser.all(".pick input")[0].click()
    browser.run("document.querySelector('.at-once select').value = 'fox'")
    browser.click(".at-once [value=relabelled]")
    assert opinions(cats) == [("3", "relabelled")]


def test_phone_has_two_columns(browser, cats):
    """At 390 pixels, two cards are side by side."""
    browser.resize(390, 844)
    browser.open(cats.address)
    assert len(set(browser.run(LEFTS))) == 2


def test_filters_are_lists(browser, cats):
    """The filters offer the catalogue's traps and species by name."""
    browser.one(".filters summary").click()
    species = [one.text for one in browser.all("[name=label] option")]
    assert [one.text for one in browser.all("[name=trap] option")] == ["all", "ridge"] and "Snow leopard" in species
    browser.run("document.querySelector('.filters [name=trap]').value = 'ridge'")
    browser.click(".filters .primary")
    assert "trap=ridge" in browser.driver.current_url


def test_answers_of_others_meanwhile_are_kept(browser, cats):
    """Two are selected, and somebody answers one of them meanwhile: that answer is kept, and the page says so."""
    for box in (browser.all(".pick input")[0], browser.all(".pick input")[2]):
        box.click()
    review(cats.stored.database, ("ridge", "3"), "confirmed", "bek", datetime.now(UTC))
    browser.click(".at-once .no")
    assert "answered 1 of 2 after" in browser.one("main").text
    assert sorted(opinions(cats)) == [("3", "confirmed"), ("4", "rejected")]


def test_reviewers_are_a_list_that_filters(browser, cats):
    """The list has people who may review; the filter shows what one of them answered, without undone answers."""
    for number, name in (("3", "anara"), ("0", "dilshod"), ("4", "anara")):
        review(cats.stored.database, ("ridge", number), "rejected", name, datetime.now(UTC))
    undo(cats.stored.database, "anara")
    browser.open(cats.address)
    assert [one.get_attribute("value") for one in browser.all("[name=reviewer] option")] == ["", "anara"]
    browser.one(".filters summary").click()
    browser.run("document.querySelector('[name=reviewer]').value = 'anara'")
    browser.click(".filters .primary")
    assert [one.get_attribute("href").split("/")[-1].split("?")[0] for one in browser.all(".card")] == ["3"]
