"""The page in each of its languages in a real Chromium: a person's choice, and layouts at 390 pixels."""

import re

import pytest
from tests.collector.browser import browser, empty_station, station
from tests.collector.web.test_accessibility import ONE, PAGES

from uncia_collector.languages.catalogues import languages

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
# What runs out of its box or of the screen; tables scroll in boxes of their own.
TEXTS = "button, .button, summary, h1, h2, nav a, .mark, legend, caption, .saved"
TOO_WIDE = """return [...document.querySelectorAll(arguments[0])]
  .filter(one => one.offsetHeight && (one.matches('caption') || !one.closest('.scroll, .strip')))
  .filter(one => one.getBoundingClientRect().right > innerWidth + 1 || one.scrollWidth > one.clientWidth + 2)
  .map(one => one.outerHTML.slice(0, 90))"""
# What is shown or read out, but names of programs, keys and languages.
SHOWN = """for (const one of document.querySelectorAll('details')) one.open = true;
return [...document.querySelectorAll('main *, header *, footer *, aside *')]
  .filter(one => one.checkVisibility() && !one.closest('code, kbd, .language, .brand, .who'))
  .flatMap(one => [...one.childNodes].filter(node => node.nodeType === 3).map(node => node.textContent)
    .concat(['aria-label', 'alt', 'title', 'placeholder'].map(name => one.getAttribute(name) || '')))"""
# Names of the station's traps, places, users and models; of formats and other programs.
NAMES = {"ridge", "rendered", "demo", "trap", "whose", "name", "has", "letters", "Above", "the", "second", "spring"}
NAMES |= {
    "anara",
    "bek",
    "UTC",
    "CSV",
    "JSON",
    "COCO",
    "Camera",
    "Traps",
    "Camtrap",
    "MegaDetector",
    "Timelapse",
    "LILA",
}
NAMES |= {"GBIF", "Agouti", "uncia", "train", "quiet"}


def test_language_is_a_persons_own_choice(browser, station):
    """The language is chosen at the foot of any page, is kept after a log-out, and applies to that person only."""
    browser.open(f"{station.address}traps")
    browser.click(".language [value=ru]")
    assert browser.driver.current_url.endswith("/traps") and browser.one("h1").text == "Ловушки"
    assert browser.one("html").get_attribute("lang") == "ru" and "Носитель языка" in browser.one("footer").text
    browser.log_in(station.address, "bek")
    assert browser.one("h1").text == "Nights"
    browser.log_in(station.address, "anara")
    assert browser.one("h1").text == "Ночи"


def test_sequence_page_is_in_ones_own_language(browser, station):
    """The species has its name of the checklist; answers and the saved answer are translated."""
    station.people.set_language("anara", "ru")
    browser.open(f"{station.address}sequences/ridge/2")
    assert browser.one(".asked").text == "Снежный барс?" and browser.one(".yes").text.startswith("Да")
    browser.press("n")
    assert browser.one(".saved span").text.startswith("Сохранено: Нет, ridge")


def test_no_english_is_left_on_russian_pages(browser, station):
    """Texts, labels and texts for screen readers, with all panels open, have no English except names."""
    station.people.set_language("anara", "ru")
    english = {}
    for page in [*PAGES, f"{ONE}?activation=1", "effort", "deployments", "password", "accesses", "export?count=1"]:
        browser.open(station.address + page)
        words = set(re.findall(r"[A-Za-z]{3,}", " ".join(browser.run(SHOWN)))) - NAMES
        if words:
            english[page] = sorted(words)
    assert english == {}


@pytest.mark.parametrize("code", sorted(languages()))
def test_no_layout_breaks_at_390_pixels(browser, station, code):
    """In each language, no page scrolls sideways, no text is wider than its button, and the header is one row."""
    station.people.set_language("anara", code)
    browser.resize(390, 844)
    wrong = {}
    for page in [*PAGES, f"{ONE}?activation=1", "effort", "deployments"]:
        browser.open(station.address + page)
        found = browser.run(TOO_WIDE, TEXTS)
        found += ["sideways"] * (browser.run("return document.documentElement.scrollWidth") > 390)
        found += ["two header rows"] * (browser.run("return document.querySelector('header').offsetHeight") > 62)
        if found:
            wrong[page] = found
    assert wrong == {}
