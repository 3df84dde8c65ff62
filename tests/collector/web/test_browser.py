"""The page in a real headless Chromium: keys, clicks, and what is drawn where."""

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest
from selenium.webdriver.common.keys import Keys
from tests.collector.browser import PASSWORD, browser, empty_station, station
from tests.collector.conftest import jpeg, tells_of

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.review import review
from uncia_collector.settings import CollectorSettings
from uncia_contract.messages.records import Preview

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
GUIDE = Path(__file__).parents[3] / "docs" / "ranger-guide.md"
# Hears clicks and moves of the focus, by the element's own words, and lets no click lead anywhere.
HEARD = """window.heard = [];
const words = (one) => (one.closest('details')?.firstElementChild ?? one.closest('button, a')).textContent.trim();
addEventListener('click', (event) => { event.preventDefault(); heard.push(words(event.target)); }, true);
addEventListener('focusin', (event) => { if (event.target.id) heard.push(words(event.target)); });"""
PICTURE = """fetch('/sequences/ridge/000001/0.jpg').then(answer => answer.arrayBuffer())
  .then(content => arguments[0](Array.from(new Uint8Array(content))))"""
RECT = "const r = arguments[0].getBoundingClientRect(); return [r.x, r.y, r.width, r.height]"


def states(station) -> dict[str, str]:
    """The review state of each sequence."""
    with station.stored.database.reading() as connection:
        rows = gallery.page(connection, gallery.Filters(), CollectorSettings().zone).rows
    return {row.id: row.review_label or row.review for row in rows}


def test_three_keys_answer_and_undo(browser, station):
    """The keys y and n answer and open the next sequence; u undoes and opens it again; the page names who answered."""
    browser.click(".card")
    for key in "yn":
        browser.press(key)
    assert states(station) == {"2": "confirmed", "1": "rejected", "0": "open"}

    browser.press("u")
    assert states(station)["1"] == "open" and browser.driver.current_url.endswith("/sequences/ridge/1")
    assert "anara: rejected" in browser.one(".undone").text and browser.one(".who a").text == "anara"


def test_relabelling_needs_no_mouse(browser, station):
    """The key r and a label's digit; or r, any name, Enter. In a name a digit is text. Escape closes the panel."""
    browser.open(f"{station.address}sequences/ridge/2")
    browser.type("r")
    browser.press("2")
    browser.type("r")
    browser.press("red fox 2\n")
    assert states(station) == {"2": "fox", "1": "red fox 2", "0": "open"}

    browser.type("r")
    browser.type(Keys.ESCAPE)
    browser.type("2")  # while closed, it is no key
    assert not browser.one(".panel").is_displayed() and states(station)["0"] == "open"
    browser.press("k")
    assert "anara: red fox 2" in browser.one(".facts-list").text


def test_relabelling_needs_no_keyboard(browser, station):
    """On a phone: tap Another, then the animal; the buttons stay on the screen when the page is scrolled."""
    browser.resize(390, 844)
    browser.open(f"{station.address}sequences/ridge/2")
    browser.run("document.querySelector('main').scrollTo(0, 9999)")
    buttons = browser.all(".yes, .no, #another summary")
    assert [one for one in buttons if not 700 < browser.run(RECT, one)[1] < 844 - 60] == []
    assert not browser.one("kbd").is_displayed()
    browser.one("#another summary").click()
    browser.click(".labels button:nth-of-type(3)")
    assert states(station)["2"] == "ibex"


def test_a_phone_shows_pictures_first(browser, station):
    """Filters are closed and name what is set; the whole first frame of a sequence is above the answers."""
    browser.resize(390, 844)
    browser.open(f"{station.address}?trap=ridge&state=doubtful&since=2026-11-01&min_score=0.5")
    assert browser.one("summary").text == "Filters: ridge, doubtful (0.35 to 0.75), from 2026-11-01, at least 0.5"
    assert browser.run(RECT, browser.one(".card img"))[1] < 400
    browser.open(f"{station.address}sequences/ridge/2")
    _, top, _, height = browser.run(RECT, browser.one("#stage"))
    assert top + height < browser.run(RECT, browser.one(".review"))[1]


def test_the_stations_own_labels_are_offered(browser, station):
    """The page offers the `labels` of collector.toml, each with its digit."""
    station.app.state.context.settings = CollectorSettings(labels=("argali", "manul"))
    browser.open(f"{station.address}sequences/ridge/2")
    browser.one("#another summary").click()
    offered = [(one.get_attribute("value"), one.text.split()[-1]) for one in browser.all(".labels button")]
    assert offered == [("argali", "1"), ("manul", "2")]


def test_last_answer_can_be_taken_back_in_the_gallery(browser, station):
    """After the oldest sequence the gallery opens; the key u works there, too."""
    browser.open(f"{station.address}sequences/ridge/0")
    browser.press("n")
    assert browser.driver.current_url == station.address and states(station)["0"] == "rejected"

    browser.press("u")
    assert states(station)["0"] == "open" and browser.driver.current_url.endswith("/sequences/ridge/0")


def test_filters_stay_while_browsing_and_after_a_login(browser, station):
    """Older, newer and gallery keep the filter, and so does a login after a log-out."""
    query = "trap=ridge&min_score=0.65"
    browser.open(f"{station.address}?{query}")
    browser.click(".card")
    browser.press("j")
    assert browser.driver.current_url.endswith(f"/sequences/ridge/1?{query}") and not browser.all("#older")

    browser.driver.delete_all_cookies()
    browser.press("g")
    browser.one("[name=name]").send_keys("anara")
    browser.follow(lambda: browser.one("[name=password]").send_keys("wrong for once\n"))
    browser.one("[name=name]").send_keys("anara")
    browser.follow(lambda: browser.one("[name=password]").send_keys("snow and rocks\n"))
    assert browser.driver.current_url == f"{station.address}?{query}" and len(browser.all(".card")) == 2


def test_key_a_shows_activation_maps(browser, station):
    """The key a changes frames to activation maps, and back to thumbnails."""
    browser.open(f"{station.address}sequences/ridge/2")
    names = []
    for _ in range(2):
        browser.press("a")
        browser.until(lambda: browser.one("#picture").get_property("naturalWidth") > 0)
        names.append(browser.one("#picture").get_attribute("src").rsplit("/", 1)[1])
    assert names[0] == "0.activation.jpg" and names[1] in {"0.thumbnail.jpg", "0.jpg"}


def test_guides_table_of_keys_is_the_pages_own(browser, station):
    """docs/ranger-guide.md names each key and its button, and each button shows its key."""
    rows = re.findall(r"^\|[^|]+\|([^|]+)\|([^|]*`[^|]+)\|$", GUIDE.read_text(), re.MULTILINE)
    names = {"arrows": ["ArrowLeft", "ArrowRight"]}
    taught = {}
    for buttons, keys in rows:
        for word in re.findall(r"`(\w)`|(arrows)", keys):
            for key in names.get(word[1], [word[0]]):
                taught[key] = buttons.strip()
    review(station.stored.database, ("ridge", "2"), "rejected", "anara", datetime.now(UTC))  # what `u` takes back
    browser.open(f"{station.address}sequences/ridge/1")
    browser.run(HEARD)
    for key, buttons in taught.items():
        browser.run("document.activeElement.blur(); heard.length = 0")
        browser.run(
            "document.body.dispatchEvent(new KeyboardEvent('keydown', {key: arguments[0], bubbles: true}))", key
        )
        [said] = browser.run("return heard")
        assert re.sub(r"[←→▶]|\W+\w$", "", said).strip() in buttons, key
    shown = {key.text for key in browser.all("kbd") if key.is_displayed() and not key.text.isdigit()}
    assert shown | {"ArrowLeft", "ArrowRight"} == set(taught)
    script = browser.run("return fetch('/static/uncia.js').then(answer => answer.text())")
    own = set(re.findall(r"(\w+): \"", re.search(r"byKey = {([^}]*)}", script)[1])) | {"r"}
    assert own == set(taught)


def test_cards_have_one_shape_and_hide_nothing(browser, empty_station, make_sequence):
    """Portrait and landscape pictures have the same size; score and time are inside the card, also with a long name."""
    for n, size in enumerate([(600, 800), (800, 600)]):
        sequence = make_sequence(trap="a-trap-whose-name-has-32-letters", id=str(n), pictures=[jpeg(n, size)])
        empty_station.stored.commit(*sequence.messages())
    said = "a label of as many letters as fit into the catalogue so that it takes lines"
    review(empty_station.stored.database, (sequence.trap, "1"), "relabelled", "anara", sequence.started_at, said)
    browser.resize(1024, 768)
    browser.open(empty_station.address)
    browser.until(lambda: all(image.get_property("naturalWidth") for image in browser.all(".card img")))
    pictures = {tuple(browser.run(RECT, image)[2:]) for image in browser.all(".card img")}
    [(width, height)] = pictures
    assert width / height == pytest.approx(4 / 3, abs=0.01)

    bottoms = [browser.run(RECT, image)[1] + height for image in browser.all(".card img")]
    tops = [browser.run(RECT, name)[1] for name in browser.all(".card strong")]
    assert all(5 < top - bottom < 15 for top, bottom in zip(tops, bottoms, strict=True))  # not torn apart
    card = browser.run(RECT, browser.one(".card"))
    for fact in browser.all("li:first-child .score, li:first-child time, li:first-child .mark"):
        x, _, wide, _ = browser.run(RECT, fact)
        assert card[0] + 8 < x and x + wide < card[0] + card[2] - 8


def test_navigation_marks_the_current_page(browser, station):
    """Nights and the list to review have one address, but only one of them is marked."""
    for page, name in (("", "Nights"), ("?trap=ridge", "Nights"), ("?state=open", "To review"), ("map?days=7", "Map")):
        browser.open(station.address + page)
        assert [link.text.rstrip(" 0123456789") for link in browser.all("nav a[aria-current]")] == [name]


@pytest.mark.parametrize("sent", ["frames", "preview"])
def test_region_lies_on_its_frame(browser, empty_station, make_sequence, sent):
    """The box is drawn at the record's region, on a frame and on the record's preview."""
    preview = Preview(0, 160, 120, jpeg(5, (160, 120)))
    sequence = make_sequence(pictures=[jpeg(4, (320, 240))], region=(0.1, 0.2, 0.5, 0.6), preview=preview)
    empty_station.stored.commit(*(sequence.messages() if sent == "frames" else [sequence.record_message()]))
    browser.open(f"{empty_station.address}sequences/ridge/000001")
    browser.until(lambda: browser.one("#picture").get_property("naturalWidth") == (320 if sent == "frames" else 160))

    stage, box = (browser.run(RECT, browser.one(one)) for one in ("#stage", "rect"))
    width, height = min(stage[2], stage[3] * 4 / 3), min(stage[3], stage[2] * 3 / 4)  # the picture in the middle of it
    left, top = stage[0] + (stage[2] - width) / 2, stage[1] + (stage[3] - height) / 2
    shares = [(box[0] - left) / width, (box[1] - top) / height, box[2] / width, box[3] / height]
    assert shares == pytest.approx([0.1, 0.2, 0.5, 0.6], abs=0.02)
    assert bool(browser.all("span.frame")) == (sent == "preview")


def test_a_shared_tablet_keeps_no_place_for_the_next_person(browser, empty_station, make_sequence, placed_jpeg):
    """A viewer on the same tablet does not get what the browser cached for a reviewer."""
    empty_station.stored.commit(*make_sequence(pictures=[placed_jpeg()]).messages())
    told = []
    empty_station.people.set_user("dilshod", PASSWORD, "reviewer", datetime.now(UTC))
    for name in ("dilshod", "bek"):
        browser.log_in(empty_station.address, name)
        told.append(tells_of(bytes(browser.driver.execute_async_script(PICTURE))))
    assert told[0] and told[1] == []
