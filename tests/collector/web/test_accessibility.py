"""Every page in a real headless Chromium, for each role: axe-core's rules, sizes, no request to other sites."""

import json
from pathlib import Path

import pytest
from tests.collector.browser import browser, empty_station, station

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
ONE = "sequences/ridge/2"
SEEN_BY_ALL = ["", "?trap=ridge&min_score=0.9", "traps", "effort", "activity", "recall", ONE, f"{ONE}?activation=1"]
PAGES = [*SEEN_BY_ALL, "?state=open", "map", "deployments", "quarantine", "export", "users"]
ERRORS = {"?since=yesterday": 400, "map": 403, "nothing-here": 404, "sequences/ridge/none": 404}
SIZES = {"desktop": (1920, 1080), "tablet": (1024, 768), "upright": (768, 1024), "phone": (390, 844)}
SMALL = """return [...document.querySelectorAll('button, .button, input, select, summary, nav a, h2 a')]
  .map(one => one.matches('[type=radio], [type=checkbox]') ? one.closest('label') : one)
  .filter(one => one.offsetHeight && one.offsetHeight < 44).map(one => one.outerHTML.slice(0, 90))"""
LOADED = "return performance.getEntriesByType('resource').map(entry => entry.name)"
STATUS = "return performance.getEntriesByType('navigation')[0].responseStatus"


@pytest.fixture(scope="module")
def axe() -> str:
    """The script of axe-core."""
    return Path(pytest.importorskip("axe_core_python").__file__).with_name("axe.min.js").read_text()


@pytest.fixture
def wrong_with(browser, station, axe, tmp_path):
    """Returns what is wrong with a page that the browser shows."""

    def found(page: str) -> list[str]:
        browser.open(station.address + page)
        browser.driver.save_screenshot(str(tmp_path / f"{page.strip('?').replace('/', '-') or 'nights'}.png"))
        browser.run("for (const one of document.querySelectorAll('details')) one.open = true")
        browser.run(axe)
        report = browser.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        wrong = [f"{rule['id']}: {rule['nodes'][0]['html'][:90]}" for rule in report["violations"]]
        if browser.run("return document.documentElement.scrollWidth") > browser.width:  # innerWidth would grow along
            wrong.append("scrolls sideways")
        wrong += [f"too small for a finger: {text}" for text in browser.run(SMALL)]
        return wrong + [f"from elsewhere: {url}" for url in browser.run(LOADED) if not url.startswith(station.address)]

    return found


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_is_accessible(browser, wrong_with, size):
    """No page scrolls sideways, axe-core finds no violation, buttons are at least 44 pixels high."""
    browser.resize(*SIZES[size])
    found = {page: wrong for page in [*PAGES, "login"] if (wrong := wrong_with(page))}
    assert found == {}, json.dumps(found, indent=1)


def test_every_page_can_be_read_in_the_dark(browser, wrong_with):
    """Dark pages have enough contrast."""
    browser.resize(*SIZES["tablet"])
    browser.darken("dark")
    found = {page: wrong for page in [*PAGES, "login", "nothing-here"] if (wrong := wrong_with(page))}
    browser.darken("light")
    assert found == {}, json.dumps(found, indent=1)


@pytest.mark.parametrize("size", ["tablet", "phone"])
def test_a_viewers_pages_and_refusals_are_accessible(browser, station, wrong_with, size):
    """The pages of a viewer, and each page that refuses a request, with its code."""
    browser.resize(*SIZES[size])
    browser.log_in(station.address, "bek")
    found, codes = {}, {}
    for page in [*SEEN_BY_ALL, *ERRORS]:
        if wrong := wrong_with(page):
            found[page] = wrong
        codes[page] = browser.run(STATUS)
        assert not browser.all(".review, #undo") and browser.all("a.button, .card, nav a")
    assert found == {}, json.dumps(found, indent=1)
    assert codes == dict.fromkeys(SEEN_BY_ALL, 200) | ERRORS


@pytest.mark.parametrize("size", ["tablet", "phone"])
def test_pages_without_a_station_behind_them_are_accessible(browser, station, wrong_with, monkeypatch, size):
    """The pages for too many requests and for an internal error have the style of the others and a way back."""
    browser.resize(*SIZES[size])
    monkeypatch.setattr(station.app.state.people, "person_of_token", lambda *_: 1 / 0)
    mistake, codes = wrong_with("traps"), [browser.run(STATUS)]
    monkeypatch.setattr(station.app.state.requests, "burst", 0.0)
    busy = wrong_with("activity")

    assert (mistake, busy, [*codes, browser.run(STATUS)]) == ([], [], [500, 429])
    assert browser.one("main .button").text == "Back to the nights" and "Wait a few seconds" in browser.one("main").text
    assert browser.run("return getComputedStyle(document.querySelector('header')).display") == "flex"


@pytest.mark.parametrize(
    "page", ["", "?state=open", "traps", "effort", "deployments", "map", "activity", "recall", "quarantine", "export"]
)
def test_an_empty_stations_pages_say_what_to_do(browser, empty_station, axe, page):
    """Before the first message of a trap, each page gives advice; axe-core finds no violation."""
    browser.open(empty_station.address + page)
    browser.run(axe)
    report = browser.driver.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
    assert [rule["id"] for rule in report["violations"]] == []
    assert browser.all(".notice") or page == "export"
