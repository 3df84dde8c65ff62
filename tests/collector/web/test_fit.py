"""Every page in a real Chromium with the longest names: no text is cut, off the screen, too small or too faint."""

import json
from datetime import UTC, datetime, timedelta

import pytest
from tests.collector.browser import IDENTITY, browser, empty_station
from tests.collector.conftest import jpeg

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import review
from uncia_collector.ingest.wire_messages import RawMessage

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station"]
TRAP, CAMERA = "a-trap-whose-name-has-32-letters", "corral-behind-the-stone-hut"
DEPLOYMENTS = (
    "deploymentID,locationID,locationName,latitude,longitude,deploymentStart,cameraID\n"
    f"d1,L1,Saddle above the second spring of the old caravan road,36.9,73.0,2026-01-01,{TRAP}\n"
    "d3,L3,,36.92,73.02,2026-01-01,t1\n"
    f"a-deployment-with-a-long-name,L2,,36.91,73.01,2026-01-01,{TRAP}/{CAMERA}\n"
)
SAID = "Herder with a long description of all that he carries on his back over the pass"
ONE = f"sequences/{TRAP}/0"
PAGES = [
    *("", "?state=open", f"?trap={TRAP}&min_score=0.35", ONE, "traps", "effort", "deployments", "map", "activity"),
    *("recall", "quarantine", "export", "users", "accesses", "password", "nothing-here"),
]
SIZES = {390: 844, 820: 1180, 1280: 800}
OPEN = """for (const one of document.querySelectorAll('details:not(.review details)')) one.open = true;
for (const one of [...document.querySelectorAll('.pick input')].slice(0, 2)) one.click();"""
FAULTS = """const [width, finger] = arguments, found = [], rect = (one) => one.getBoundingClientRect();
const say = (what, one) => found.push(`${what}: ${one.outerHTML.replace(/\\s+/g, ' ').slice(0, 90)}`);
const pressed = 'button, .button, input, select, summary, .brand, nav a, th a, td a, dd a, .others a';
const within = '[type=radio], [type=checkbox], [type=range]';
if (document.scrollingElement.scrollWidth > width) found.push('scrolls sideways');
for (const one of document.querySelectorAll('body *')) {
  const {left, right, width: wide, height: high} = rect(one), style = getComputedStyle(one);
  if (!one.checkVisibility() || wide <= 1 || one.matches('.skip')) continue;
  const isLarger = one.scrollWidth > one.clientWidth + 1;
  if (style.overflowX === 'hidden' && isLarger && style.display !== 'inline') say('cut', one);
  if (width < 900 && one.matches('.scroll:has(.stacked)') && isLarger) say('columns off the screen', one);
  const outside = right > width + 1 || left < -1;
  if (outside && !one.closest('.scroll, .strip, svg, .sheet')) say('off the screen', one);
  if (one.matches(pressed) && !one.matches(within) && Math.min(wide, high) < finger) say('too small for a finger', one);
}
return found;"""

FAINT = """const numbers = (text) => text.match(/[\\d.]+/g).map(Number);
const shares = (text) => numbers(text).map((one, k) => k < 3 ? one * 255 : one);  // of color(srgb 0.1 0.2 0.3)
const colour = (text) => text.startsWith('color(') ? shares(text) : numbers(text);
const linear = (one) => one / 255 <= 0.04045 ? one / 255 / 12.92 : ((one / 255 + 0.055) / 1.055) ** 2.4;
const light = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
function behind(one) {
  const found = one ? colour(getComputedStyle(one).backgroundColor) : [255, 255, 255];
  return (found[3] ?? 1) > 0.5 ? found : behind(one.parentElement);
}
return [...document.querySelectorAll('body *')].filter((one) => {
  const own = [...one.childNodes].some((node) => node.nodeType === 3 && node.textContent.trim());
  if (!own || !one.checkVisibility() || one.matches('.skip, option, svg *')) return false;
  const [front, back] = [light(colour(getComputedStyle(one).color)), light(behind(one))];
  return (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05) < 4.5;
}).map((one) => one.outerHTML.slice(0, 90));"""


@pytest.fixture
def crowded(browser, empty_station, make_sequence, tmp_path):
    """A station whose names, labels and messages are as long as they may be."""
    stored = empty_station.stored
    for n in range(4):
        began = datetime(2026, 11, 22, 20, tzinfo=UTC) + timedelta(minutes=4 * n + 600 * (n == 3))
        sent = make_sequence(
            trap=TRAP, camera=CAMERA, id=str(n), started_at=began, pictures=[jpeg(n, (320, 240))], bundle=IDENTITY,
            positive=n < 3, audit=n == 3, probabilities={"snow_leopard": 0.7, "yellow_throated_marten": 0.2},
        )  # fmt: skip
        stored.commit(*sent.messages())
    review(stored.database, (TRAP, "3"), "relabelled", "anara", datetime.now(UTC), SAID)
    stored.commit(RawMessage(f"uncia/{TRAP}/record/{'0' * 64}", b"{"))
    (tmp_path / "places.csv").write_text(DEPLOYMENTS)
    read_deployments(tmp_path / "places.csv", stored.database)
    empty_station.people.set_user("Konstantin-Preobrazhensky", "snow and rocks", "reviewer", datetime.now(UTC))
    return empty_station


def faults(browser, address: str) -> list[str]:
    """The faults of a page at the browser's size, with its details open and two cards selected."""
    browser.open(address)
    browser.run(OPEN)
    return browser.run(FAULTS, browser.width, 44)


@pytest.mark.parametrize(("width", "language"), [(390, "en"), (390, "ru"), (820, "en"), (1280, "ru")])
def test_nothing_is_cut_or_off_the_screen(browser, crowded, width, language):
    """No page scrolls sideways, no text is cut, no button is smaller than a finger, even with the longest names."""
    crowded.people.set_language("anara", language)
    browser.resize(width, SIZES[width])
    found = {page: wrong for page in PAGES if (wrong := faults(browser, crowded.address + page))}
    assert found == {}, json.dumps(found, indent=1, ensure_ascii=False)


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("width", [390, 820])
def test_panels_open_on_the_screen(browser, crowded, width, language):
    """The panels Another, More and Light are whole on the screen, and their labels break only at spaces."""
    crowded.people.set_language("anara", language)
    browser.resize(width, SIZES[width])
    for panel in ("#another", "#more", ".light"):
        browser.open(crowded.address + ONE)
        browser.run("document.querySelector(arguments[0]).open = true", panel)
        left, right, top = browser.run(
            "const r = document.querySelector(arguments[0]).lastElementChild.getBoundingClientRect();"
            "return [r.left, r.right, r.top]", panel,
        )  # fmt: skip
        assert (left >= 0, right <= width, top >= 0) == (True, True, True), panel


@pytest.mark.parametrize("language", ["en", "ru"])
@pytest.mark.parametrize("width", SIZES)
def test_save_is_visible_below_a_long_answer(browser, crowded, width, language):
    """With a second observation in More, the button stays on the screen and in its panel."""
    crowded.people.set_language("anara", language)
    browser.resize(width, SIZES[width])
    browser.open(crowded.address + ONE)
    browser.run("document.querySelector('#more').open = document.querySelector('#more details').open = true")
    bottom, panel = browser.run(
        "const end = (what) => document.querySelector(what).getBoundingClientRect().bottom;"
        "return [end('#more .primary'), end('#more > .panel')]"
    )
    assert bottom <= min(panel, SIZES[width])


def test_fields_of_more_do_not_touch(browser, crowded):
    """The button And also is a finger's gap below the note."""
    browser.resize(390, SIZES[390])
    browser.open(crowded.address + ONE)
    browser.run("document.querySelector('#more').open = true")
    note, button = browser.run(
        "const rect = (what) => document.querySelector(what).getBoundingClientRect();"
        "return [rect('#more [name=note]').bottom, rect('#more details summary').top]"
    )
    assert button - note >= 8


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_has_enough_contrast(browser, crowded, scheme):
    """WCAG's contrast of 4.5, from the browser's computed colours, also in the darkest cell of the weeks."""
    browser.resize(820, SIZES[820])
    browser.darken(scheme)
    found = {}
    for page in PAGES:
        browser.open(crowded.address + page)
        browser.run(OPEN)
        found |= {page: faint} if (faint := browser.run(FAINT)) else {}
    browser.darken("light")
    assert found == {}, json.dumps(found, indent=1)
