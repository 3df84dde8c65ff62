"""The gallery in a real Chromium: what waits, cards of events, pictures cut to the animal, several answered at once."""

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
    """Three sequences of one leopard, one an hour later, and one that the trap rejected in between."""
    for n, (minutes, more) in enumerate(
        [(0, {}), (10, {}), (35, {}), (95, {}), (12, {"positive": False, "audit": True})]
    ):
        at = EVENING + timedelta(minutes=minutes)
        sent = make_sequence(id=str(n), started_at=at, pictures=[jpeg(n, (320, 240))], bundle=IDENTITY, **more)
        empty_station.stored.commit(*sent.messages())
    browser.open(empty_station.address)
    return empty_station


def test_navigation_tells_how_many_wait(browser, station):
    """Three, two after an answer, on a phone beside the menu; nothing where nothing waits."""
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
    """Less than half an hour apart: one card that says how many; what the trap rejected stands for itself."""
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
    """Whatever its shape and place, the region with a margin where the picture has one; no shape is torn."""
    left, top, right, bottom = card_window(Region(*region), *size)
    x, y, wide, high = (side * size[k % 2] for k, side in enumerate(region))
    assert left <= max(0, x - wide / 5) and top <= max(0, y - high / 5)
    assert right >= min(size[0], x + 1.2 * wide) - 1 and bottom >= min(size[1], y + 1.2 * high) - 1
    assert (right - left) / (bottom - top) == pytest.approx(size[0] / size[1], abs=0.01)


def test_cards_picture_is_cut_to_the_animal(browser, empty_station, make_sequence):
    """An animal in a corner is twice as large on its card as on the picture, and whole."""
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


def test_several_are_answered_at_once_and_taken_back_at_once(browser, cats):
    """A card of three sequences and one more: four answers; one undo takes all of them back."""
    for box in browser.all(".pick input")[:2]:
        box.click()
    assert browser.one("#selected").text == "4"
    browser.click(".at-once .no")
    assert sorted(opinions(cats)) == [(str(n), "rejected") for n in range(4)]
    assert browser.one(".saved span").text == "Saved: No, 4 sequences."
    browser.press("u")
    assert opinions(cats) == [] and browser.driver.current_url == cats.address


def test_several_are_answered_without_a_mouse(browser, cats):
    """Arrows, x, y; a held y answers no more than what was selected; with nothing selected y does nothing."""
    browser.until(lambda: browser.run("return document.documentElement.classList.contains('ready')"))
    key_down(browser, "y")
    browser.type("j")
    browser.type("x")
    browser.follow(lambda: (key_down(browser, "y"), hold(browser, "y", flagged=False)))
    assert opinions(cats) == [("3", "confirmed")]


def test_selection_without_its_picture_takes_no_answer(browser, cats):
    """A card whose picture cannot be shown: nothing is saved, and the page says so."""
    browser.until(lambda: browser.run("return document.documentElement.classList.contains('ready')"))
    browser.run("document.querySelector('.card img').src = '/nothing.jpg'")
    browser.all(".pick input")[0].click()
    key_down(browser, "n")
    assert browser.one(".wait").is_displayed() and opinions(cats) == []


def test_several_get_one_name(browser, cats):
    """The list beside the answers."""
    browser.all(".pick input")[0].click()
    browser.run("document.querySelector('.at-once select').value = 'fox'")
    browser.click(".at-once [value=relabelled]")
    assert opinions(cats) == [("3", "relabelled")]


def test_phone_has_two_columns(browser, cats):
    """Two cards beside each other at 390 pixels."""
    browser.resize(390, 844)
    browser.open(cats.address)
    assert len(set(browser.run(LEFTS))) == 2


def test_filters_are_lists(browser, cats):
    """Traps and species that the catalogue knows, by name."""
    browser.one(".filters summary").click()
    species = [one.text for one in browser.all("[name=label] option")]
    assert [one.text for one in browser.all("[name=trap] option")] == ["all", "ridge"] and "Snow leopard" in species
    browser.run("document.querySelector('.filters [name=trap]').value = 'ridge'")
    browser.click(".filters .primary")
    assert "trap=ridge" in browser.driver.current_url


def test_answers_of_others_meanwhile_stand(browser, cats):
    """Two are selected, one of which somebody answers meanwhile: that answer stands, and the page says so."""
    for box in (browser.all(".pick input")[0], browser.all(".pick input")[2]):
        box.click()
    review(cats.stored.database, ("ridge", "3"), "confirmed", "bek", datetime.now(UTC))
    browser.click(".at-once .no")
    assert "answered 1 of 2 after" in browser.one("main").text
    assert sorted(opinions(cats)) == [("3", "confirmed"), ("4", "rejected")]


def test_reviewers_are_a_list_that_filters(browser, cats):
    """Who may review is listed, viewers are not; what one of them answered is shown, what was taken back is not."""
    for number, name in (("3", "anara"), ("0", "dilshod"), ("4", "anara")):
        review(cats.stored.database, ("ridge", number), "rejected", name, datetime.now(UTC))
    undo(cats.stored.database, "anara")
    browser.open(cats.address)
    assert [one.get_attribute("value") for one in browser.all("[name=reviewer] option")] == ["", "anara"]
    browser.one(".filters summary").click()
    browser.run("document.querySelector('[name=reviewer]').value = 'anara'")
    browser.click(".filters .primary")
    assert [one.get_attribute("href").split("/")[-1].split("?")[0] for one in browser.all(".card")] == ["3"]
