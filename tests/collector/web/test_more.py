"""The panel More: count, sex, life stage, certainty, note, a second species; an answer of another meanwhile."""

from datetime import UTC, datetime

import pytest
from tests.collector.browser import browser, empty_station, station

from uncia_collector.catalogue.review import observations_of, review

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
SIZES = [(390, 844), (820, 1180), (1280, 800)]


def told(station) -> list[tuple]:
    """All observations of the sequence, in their order."""
    with station.stored.database.reading() as connection:
        rows = observations_of(connection, [("ridge", "2")])[("ridge", "2")]
    return [(row.answer, row.reviewer, row.taxon, row.count, row.sex, row.certainty, row.note) for row in rows]


def fill(browser, **fields: str) -> None:
    """Fill in fields by typing or choosing."""
    for name, value in fields.items():
        browser.one(f"#more [name='{name.replace('_2', '-2')}']").send_keys(value)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_an_answer_holds_all_details(browser, station, size):
    """Two species in one answer; the panel is inside the window, and letters typed in it are not keys."""
    browser.resize(*size)
    browser.open(f"{station.address}sequences/ridge/2")
    browser.one("#more summary").click()
    assert browser.one("#more [name=label]").get_attribute("value") == "Snow leopard"
    fill(browser, count="2", sex="female", certainty="probable", note="n, y and u at the spring")
    browser.one("#more details summary").click()
    fill(browser, label_2="Ibex", count_2="5")
    assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
    top = browser.run("return document.querySelector('#more > .panel').getBoundingClientRect().top")
    assert top >= 0
    browser.click("#more .primary")
    assert told(station) == [
        (1, "anara", "snow_leopard", 2, "female", "probable", "n, y and u at the spring"),
        (1, "anara", "ibex", 5, "", "", ""),
    ]
    browser.open(f"{station.address}sequences/ridge/2")
    assert "anara: Snow leopard (2, female, probable): n, y and u at the spring" in browser.one(".facts-list").text


def test_a_person_whose_answer_is_late_sees_both_answers(browser, station):
    """The page shows the other's answer and one's own; if saved, one's own counts and the other's is kept."""
    browser.resize(390, 844)
    browser.open(f"{station.address}sequences/ridge/2")
    browser.one("#more summary").click()
    fill(browser, count="2", note="at the spring")
    review(station.stored.database, ("ridge", "2"), "rejected", "bek", datetime.now(UTC))
    browser.click("#more .primary")
    said = browser.one("main").text
    assert "bek: rejected" in said and "Snow leopard (2): at the spring" in said and len(told(station)) == 1
    browser.click("main .primary")
    assert [row[:4] for row in told(station)] == [(1, "bek", None, None), (2, "anara", "snow_leopard", 2)]


def test_escape_closes_the_panel(browser, station):
    """Only one of the two panels is open at a time."""
    browser.open(f"{station.address}sequences/ridge/2")
    browser.one("#more summary").click()
    browser.one("#another summary").click()
    assert not browser.one("#more .panel").is_displayed() and browser.one("#another .panel").is_displayed()
    browser.one("#more summary").click()
    browser.one("#more [name=note]").send_keys("\ue00c")
    assert not browser.one("#more .panel").is_displayed()
