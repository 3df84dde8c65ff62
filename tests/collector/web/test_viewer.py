"""The viewer of one sequence in a real Chromium: picture, playing, zoom, light, boxes, position of the answers."""

from datetime import UTC, datetime

import pytest
from tests.collector.browser import IDENTITY, browser, empty_station, station
from tests.collector.conftest import jpeg

from uncia_contract.messages.records import Preview

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
RECT = "const r = arguments[0].getBoundingClientRect(); return [r.left, r.top, r.right, r.bottom]"
SCALE = "return new DOMMatrix(getComputedStyle(document.getElementById('sheet')).transform).a"
WATCH = """window.shown = []; new MutationObserver(() => shown.push(document.getElementById('picture').alt))
  .observe(document.getElementById('picture'), {attributes: true, attributeFilter: ['alt']})"""
SIZES = [(390, 844), (820, 1180), (1280, 800)]


@pytest.fixture
def looking(browser, empty_station, make_sequence):
    """The page of a sequence of three large pictures; the second is the best."""
    at = datetime(2026, 11, 22, 20, tzinfo=UTC)
    sent = make_sequence(pictures=[jpeg(n, (1600, 1200)) for n in range(3)], started_at=at, bundle=IDENTITY)
    empty_station.stored.commit(*sent.messages())
    with empty_station.stored.database.writing() as connection:
        connection.exec_driver_sql("UPDATE sequences SET best_frame = 1")
    browser.resize(1280, 800)
    browser.open(f"{empty_station.address}sequences/ridge/000001")
    return browser


def is_original(browser) -> bool:
    """Whether the picture that is shown is as large as the trap's."""
    return browser.one("#picture").get_property("naturalWidth") == 1600


def test_opens_on_the_best_frame_and_loads_its_original(looking):
    """The second frame is large and its thumbnail marked; then its original is loaded, and no other original."""
    assert looking.one("#picture").get_attribute("alt") == "Frame 2 of 3"
    assert looking.one(".frame[aria-current]").get_attribute("aria-label").startswith("Frame 2")
    looking.until(lambda: is_original(looking))
    left, _, right, _ = looking.run(RECT, looking.one("#stage"))
    assert right - left > 600
    loaded = looking.run("return performance.getEntriesByType('resource').map(one => one.name.split('/').pop())")
    assert {name for name in loaded if name.endswith(".jpg") and "thumbnail" not in name} == {"1.jpg"}


def test_thumbnails_and_keys_show_other_frames(looking):
    """A tap on a thumbnail, and the keys h and l, which continue at the other end."""
    looking.all(".strip .frame")[2].click()
    assert looking.one("#picture").get_attribute("alt") == "Frame 3 of 3"
    looking.type("l")
    assert looking.one("#picture").get_attribute("alt") == "Frame 1 of 3"
    looking.type("h")
    looking.type("h")
    looking.until(lambda: looking.one("#picture").get_property("currentSrc").endswith("/1.jpg"))


def test_preview_stays_until_another_frame_is_chosen(browser, empty_station, make_sequence):
    """While the best frame has not arrived, no other frame's original replaces its preview."""
    sent = make_sequence(pictures=[jpeg(n) for n in range(3)], preview=Preview(1, 64, 48, jpeg(7)), bundle=IDENTITY)
    empty_station.stored.commit(sent.record_message(), *sent.chunk_messages(0), *sent.chunk_messages(2))
    with empty_station.stored.database.writing() as connection:
        connection.exec_driver_sql("UPDATE sequences SET best_frame = 1")
    browser.open(f"{empty_station.address}sequences/ridge/000001")
    assert browser.one("#picture").get_attribute("alt") == "Frame 2 of 3"
    assert browser.run("return sharpen().then(() => picture.src)").endswith("/1.thumbnail.jpg")
    browser.type("l")
    assert browser.one("#picture").get_attribute("alt") == "Frame 1 of 3"
    browser.driver.refresh()
    browser.until(lambda: browser.run("return document.readyState === 'complete'"))
    browser.type("h")
    assert browser.one("#picture").get_attribute("alt") == "Frame 3 of 3"


def test_box_is_drawn_after_a_frame_that_has_none(looking, empty_station):
    """The first frame was not scored and has no box; the next one has."""
    with empty_station.stored.database.writing() as connection:
        connection.exec_driver_sql("UPDATE frames SET score = NULL, region = NULL WHERE n = 1")
    looking.driver.refresh()
    looking.until(lambda: looking.run("return document.readyState === 'complete'"))
    width = "return document.querySelector('#boxes rect').getBBox().width"
    assert looking.run(width) == 0
    looking.type("l")
    assert looking.run(width) == 800


def test_burst_plays_and_stops(looking):
    """The key p plays the frames in a loop; when it stops, the original of the last one is loaded."""
    looking.run(WATCH)
    looking.type("p")
    looking.until(lambda: looking.run("return shown.length >= 4"))
    looking.type("p")
    assert looking.run("return shown.slice(0, 4)") == [f"Frame {n} of 3" for n in (3, 1, 2, 3)]
    looking.until(lambda: is_original(looking))
    assert looking.one("#play").get_attribute("aria-pressed") == "false"


def test_wheel_zooms_around_the_pointer(looking):
    """The point under the pointer stays there."""
    left, top, right, bottom = looking.run(RECT, looking.one("#stage"))
    x, y = left + (right - left) / 4, top + (bottom - top) / 4
    event = {"type": "mouseWheel", "x": x, "y": y, "deltaX": 0, "deltaY": -400}
    looking.driver.execute_cdp_cmd("Input.dispatchMouseEvent", event)
    looking.until(lambda: looking.run(SCALE) == pytest.approx(2.718, abs=0.01))
    sheet = looking.run(RECT, looking.one("#sheet"))
    assert (x - sheet[0]) / (sheet[2] - sheet[0]) == pytest.approx(0.25, abs=0.01)
    assert (y - sheet[1]) / (sheet[3] - sheet[1]) == pytest.approx(0.25, abs=0.01)


def test_two_fingers_zoom_and_one_moves(looking):
    """Fingers three times as far apart zoom three times; one finger then moves the picture, not the page."""
    looking.resize(390, 844)
    left, top, right, bottom = looking.run(RECT, looking.one("#stage"))
    x, y = (left + right) / 2, (top + bottom) / 2
    for kind, apart in (("touchStart", 20), ("touchMove", 40), ("touchMove", 60), ("touchEnd", None)):
        points = [] if apart is None else [{"x": x - apart, "y": y, "id": 0}, {"x": x + apart, "y": y, "id": 1}]
        looking.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    assert looking.run(SCALE) == pytest.approx(3, abs=0.2)
    before = looking.run(RECT, looking.one("#sheet"))
    for kind, points in (
        ("touchStart", [{"x": x, "y": y}]),
        ("touchMove", [{"x": x + 30, "y": y + 10}]),
        ("touchEnd", []),
    ):
        looking.driver.execute_cdp_cmd("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})
    after = looking.run(RECT, looking.one("#sheet"))
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((30, 10), abs=2)


def test_original_size_without_leaving_the_keys(looking):
    """The key z shows one pixel of the picture as one of the screen, and back; the key y still answers."""
    looking.type("z")
    looking.until(lambda: looking.run(SCALE) > 1)
    stage = looking.run(RECT, looking.one("#stage"))
    fitted = min((stage[2] - stage[0]) / 1600, (stage[3] - stage[1]) / 1200)
    assert is_original(looking) and looking.run(SCALE) * fitted == pytest.approx(1, abs=0.01)
    looking.type("z")
    assert looking.run(SCALE) == 1
    looking.press("y")


def test_infrared_pictures_can_be_lightened(looking):
    """The key i and the sliders change brightness and contrast; a second i resets them."""
    light = "return document.getElementById('picture').style.filter"
    looking.type("i")
    assert looking.run(light) == "brightness(2) contrast(1.3)"
    looking.type("i")
    assert looking.run(light) == "brightness(1) contrast(1)"
    looking.one(".light summary").click()
    looking.one("#brightness").send_keys("\ue014")  # arrow right: moves the slider, not on to another sequence
    assert looking.run(light) == "brightness(1.1) contrast(1)"


def test_boxes_stay_off_from_one_sequence_to_the_next(looking, empty_station, make_sequence):
    """The key b hides the box, also on the next pages; a second b shows it."""
    empty_station.stored.commit(*make_sequence(id="2", bundle=IDENTITY).messages())
    looking.type("b")
    assert not looking.one("#boxes").is_displayed()
    looking.open(f"{empty_station.address}sequences/ridge/2")
    assert not looking.one("#boxes").is_displayed()
    looking.type("b")
    assert looking.one("#boxes").is_displayed()


@pytest.mark.parametrize("size", SIZES)
def test_answers_are_on_the_screen_and_never_over_the_animal(looking, size):
    """After any scrolling, the answers are on the screen and do not cover the picture."""
    looking.resize(*size)
    for down in (0, 60, 200, 9999):
        looking.run(f"document.querySelector('main').scrollTo(0, {down}); scrollTo(0, {down})")
        stage, main = looking.run(RECT, looking.one("#stage")), looking.run(RECT, looking.one("main"))
        left, top, right, bottom = looking.run(RECT, looking.one(".review"))
        seen = (max(stage[0], main[0]), max(stage[1], main[1]), min(stage[2], main[2]), min(stage[3], main[3]))
        covered = min(right, seen[2]) > max(left, seen[0]) and min(bottom, seen[3]) > max(top, seen[1])
        assert not covered and top >= 0 and bottom <= size[1], down
    if size[0] < 1000:
        assert top > size[1] * 0.8  # under the thumb


def test_phone_has_one_header_row_and_a_menu_of_all_pages(looking):
    """The row has 62 pixels; the menu opens without a script and has a link to each page."""
    looking.resize(390, 844)
    assert looking.run("return document.querySelector('header').offsetHeight") <= 62
    assert not looking.one("nav a").is_displayed()
    looking.one(".menu").click()
    assert [one.text for one in looking.all("#pages a") if one.is_displayed()][:3] == ["Nights", "To review 1", "Traps"]
    looking.click("#pages a[href='/traps']")
    assert looking.driver.current_url.endswith("/traps")
