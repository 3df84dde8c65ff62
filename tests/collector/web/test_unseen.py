"""No answer to an unseen picture: held keys, double taps, pictures that are loading, undo; in a real Chromium."""

import threading
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from sqlalchemy import select
from tests.collector.browser import IDENTITY, browser, empty_station, station

from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import observations
from uncia_collector.web import pictures

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
CODES = {"y": ("KeyY", 89, "н"), "n": ("KeyN", 78, "т"), "u": ("KeyU", 85, "г")}
VERDICTS = {"y": "confirmed", "n": "rejected"}
READY = "return document.documentElement.classList.contains('ready')"
MIDDLE = "const r = arguments[0].getBoundingClientRect(); return [r.x + r.width / 2, r.y + r.height / 2]"


def opinions(station) -> list[tuple[str, str]]:
    """(sequence, verdict) of each answer that is not undone, in the order in which they were given."""
    return [(row.sequence, row.verdict) for row in rows_of(station)]


def rows_of(station) -> list:
    """The answers that are not undone."""
    query = select(observations).where(observations.c.undone.is_(False)).order_by(observations.c.key)
    with station.stored.database.reading() as connection:
        return [*connection.execute(query)]


def key_down(browser, key: str, *, again: bool = False, cyrillic: bool = False, caps: bool = False) -> None:
    """Press a key, or repeat it as a held key does."""
    code, number, letter = CODES[key]
    text = letter if cyrillic else key.upper() if caps else key
    event = {"key": text, "code": code, "windowsVirtualKeyCode": number, "text": text, "autoRepeat": again}
    browser.driver.execute_cdp_cmd("Input.dispatchKeyEvent", {"type": "keyDown", **event})


def hold(browser, key: str, *, flagged: bool) -> None:
    """Repeat a key five times; some keyboards do not flag repeats as such."""
    for _ in range(5):
        key_down(browser, key, again=flagged)


def tap(browser, x: float, y: float) -> None:
    """Tap with a finger."""
    for kind, points in (("touchStart", [{"x": x, "y": y}]), ("touchEnd", [])):
        browser.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})


def answer(browser, press, strays) -> None:
    """Press when answers count; `strays` follow at once, after the next page is loaded, and after its picture is."""
    browser.until(lambda: browser.run(READY))
    browser.run("document.isTheOldPage = true")
    press()
    strays()
    browser.until(lambda: browser.run("return document.readyState !== 'loading' && !document.isTheOldPage"))
    strays()
    browser.until(lambda: browser.run("return document.readyState === 'complete'"))
    strays()


@pytest.fixture
def many(empty_station, make_sequence, make_jpeg):
    """Makes a station with a number of sequences."""

    def make(count: int):
        for n in range(count):
            at = datetime(2026, 11, 22, 20, tzinfo=UTC) - timedelta(minutes=n)
            sequence = make_sequence(id=f"{n:03d}", started_at=at, pictures=[make_jpeg(n)], bundle=IDENTITY)
            empty_station.stored.commit(*sequence.messages())
        return empty_station

    return make


@pytest.mark.parametrize("by", ["keyboard", "touch"])
@pytest.mark.parametrize("count", [6, pytest.param(50, marks=pytest.mark.slow)])
def test_repeats_and_double_taps_give_no_answer(browser, many, by, count):
    """Held keys (repeats flagged or not) and double taps: only the intended presses are answers."""
    station = many(count)
    browser.resize(*((1024, 768) if by == "keyboard" else (390, 844)))
    browser.open(f"{station.address}sequences/ridge/000")
    intended = []
    for n in range(count):
        key = "yn"[n % 3 == 1]
        intended.append((f"{n:03d}", VERDICTS[key]))
        if by == "keyboard":
            answer(browser, partial(key_down, browser, key), partial(hold, browser, key, flagged=n % 2 == 0))
        else:
            at = browser.run(MIDDLE, browser.one(".yes" if key == "y" else ".no"))
            answer(browser, partial(tap, browser, *at), partial(tap, browser, *at))
    browser.until(lambda: len(opinions(station)) == count)
    assert opinions(station) == intended


@pytest.mark.parametrize("layout", [{"cyrillic": True}, {"caps": True}], ids=["Cyrillic layout", "Caps Lock"])
def test_keys_work_by_their_position(browser, station, layout):
    """Yes, no and undo work on other keyboard layouts, too."""
    browser.open(f"{station.address}sequences/ridge/2")
    for key in "ynu":
        browser.follow(partial(key_down, browser, key, **layout))
    assert opinions(station) == [("2", "confirmed")]


def test_picture_that_is_loading_cannot_be_answered(browser, station, monkeypatch):
    """An answer before the picture is loaded is not saved, and the page says so; afterwards it counts."""
    pass_on, thumbnail = threading.Event(), pictures._thumbnail
    monkeypatch.setattr(pictures, "_thumbnail", lambda content: pass_on.wait(60) and thumbnail(content))
    browser.driver.get(f"{station.address}sequences/ridge/2")
    key_down(browser, "n")
    assert browser.one(".wait").is_displayed() and opinions(station) == []

    pass_on.set()
    browser.press("n")
    assert opinions(station) == [("2", "rejected")]


def test_sequence_without_pictures_says_so_and_can_be_answered(browser, empty_station, make_sequence):
    """No picture has arrived yet: the page says so, and half a second later an answer counts."""
    empty_station.stored.commit(make_sequence(bundle=IDENTITY).record_message())
    browser.open(f"{empty_station.address}sequences/ridge/000001")
    assert "No picture of this sequence has arrived yet." in browser.one("main").text
    browser.press("n")
    assert opinions(empty_station) == [("000001", "rejected")]


def test_strip_names_what_was_saved_and_undo_takes_that_back(browser, station):
    """The strip has answer, trap and time; undo takes back only that answer, even if pressed twice."""
    browser.open(f"{station.address}sequences/ridge/2")
    for key in "yn":
        browser.press(key)
    assert browser.one(".saved").text.split() == ["Saved:", "No,", "ridge", "2026-11-22", "20:40.", "Undo", "u"]

    form = "return [...document.querySelectorAll('.saved input')].map(one => [one.name, one.value])"
    told = dict(browser.run(form))
    browser.press("u")
    assert browser.one(".saved span").text == "Saved: Yes, ridge 2026-11-22 21:20."
    again = "return fetch('/undo', {method: 'POST', body: new URLSearchParams(arguments[0])}).then(one => one.status)"
    browser.run(again, told)
    assert opinions(station) == [("2", "confirmed")]


def test_undo_never_takes_back_another_persons_answer(station, browser):
    """A form that names another person's answer takes back nothing."""
    review(station.stored.database, ("ridge", "2"), "confirmed", "bek", datetime.now(UTC))
    form = {"csrf": browser.run("return document.body.dataset.csrf"), "opinion": str(rows_of(station)[0].key)}
    browser.run("return fetch('/undo', {method: 'POST', body: new URLSearchParams(arguments[0])})", form)
    assert opinions(station) == [("2", "confirmed")]
