"""What the browser's Back button shows after a log-out and after an answer, in a real Chromium."""

import pytest
from tests.collector.browser import browser, empty_station, station

from uncia_collector.web import login

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]


def go(browser, step: int) -> str:
    """The text of the page that Back or Forward shows, after it has loaded."""
    browser.follow(lambda: browser.run(f"history.go({step})"))
    return browser.one("body").text


@pytest.mark.parametrize("cleared", [True, False], ids=["Clear-Site-Data", "pages alone"])
def test_back_after_a_log_out_shows_no_earlier_page(browser, station, monkeypatch, cleared):
    """Back from the login page shows no map and no coordinates, with the header (HTTPS) and without it (HTTP)."""
    if not cleared:
        monkeypatch.setattr(login, "CLEARED", {})
    browser.open(f"{station.address}map")
    assert "36.90000" in browser.one("body").text
    browser.click(".who button")
    for step in (-1, -1, 1):
        text = go(browser, step)
        assert "Log in" in text and "36.9" not in text and not browser.all(".map, .card")


def test_back_after_an_answer_shows_the_answer(browser, station):
    """The page of the sequence has the answer, not "not reviewed"."""
    browser.open(f"{station.address}sequences/ridge/2")
    browser.press("n")
    go(browser, -1)
    assert browser.driver.current_url.endswith("/ridge/2") and browser.one(".mark").text == "rejected"
