"""The page in a real headless Chromium: keys, clicks, a phone's width, and axe-core's rules."""

import hashlib
import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uncia_collector import gallery
from uncia_collector.deployments import read_deployments
from uncia_collector.people import People
from uncia_collector.settings import CollectorSettings, HttpSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.server import PageServer
from uncia_contract.messages import BundleIdentity

BUNDLE = Path(__file__).parents[2] / "models" / "rendered-demo-1.uncia"
IDENTITY = BundleIdentity("rendered-demo", 1, hashlib.sha256(BUNDLE.read_bytes()).hexdigest())
selenium = pytest.importorskip("selenium.webdriver")
By = pytest.importorskip("selenium.webdriver.common.by").By
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(
    not (CHROMIUM and DRIVER), reason="NO CHROMIUM: install chromium and chromium-driver; the page was not seen"
)
PAGES = ["", "?state=open", "traps", "map", "activity", "recall", "quarantine", "export", "users", "sequences/ridge/2"]
PAGES += ["sequences/ridge/2?activation=1", "?trap=ridge&min_score=0.9", "login", "nothing-here"]
SIZES = {"tablet": (1180, 820), "upright": (768, 1024), "phone": (390, 844)}


SMALL = """return [...document.querySelectorAll('button, .button, input, select, summary, nav a, h2 a')]
  .filter(one => one.offsetHeight && one.offsetHeight < 44).map(one => one.outerHTML.slice(0, 90))"""


@pytest.fixture(scope="module")
def chromium():
    """A headless browser."""
    options = selenium.ChromeOptions()
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.binary_location = CHROMIUM
    driver = selenium.Chrome(options=options, service=selenium.ChromeService(DRIVER))
    yield driver
    driver.quit()


@pytest.fixture
def station(on_sqlite, make_sequence, make_jpeg, tmp_path, chromium):
    """A station with three sequences to review, somebody logged in; the address of its page."""
    for n in range(3):
        sequence = make_sequence(
            id=str(n), started_at=datetime(2026, 11, 22, 20, tzinfo=UTC) + timedelta(minutes=n),
            pictures=[make_jpeg(10 * n + k, (320, 240)) for k in range(3)], score=0.6 + n / 10, bundle=IDENTITY,
        )  # fmt: skip
        on_sqlite.take(*sequence.wires())
    table = tmp_path / "deployments.csv"
    table.write_text(
        "deploymentID,locationName,latitude,longitude,deploymentStart,cameraID,deploymentEnd\n"
        "d1,,36.9,73.0,2026-01-01,ridge,\n"
        "d2,Above the second spring,36.95,73.1,2026-01-01,a-trap-whose-name-has-32-letters,\n"
    )
    read_deployments(table, on_sqlite.database)
    People(on_sqlite.database).set_user("anara", "snow and rocks", "administrator", datetime.now(UTC))
    settings = CollectorSettings(data=str(on_sqlite.root), bundles=str(BUNDLE.parent))
    server = PageServer(make_app(settings, on_sqlite.database), HttpSettings(port=0))
    server.start()
    chromium.delete_all_cookies()
    chromium.get(server.address)
    chromium.find_element(By.NAME, "name").send_keys("anara")
    chromium.find_element(By.NAME, "password").send_keys("snow and rocks\n")
    selenium_wait(chromium, lambda: not chromium.find_elements(By.NAME, "password"))  # else the next get cuts it off
    yield server.address
    server.stop()


def press(chromium, key: str) -> None:
    """A key on the page, and wait for what it opens."""
    before = chromium.find_element(By.TAG_NAME, "html")
    chromium.find_element(By.TAG_NAME, "body").send_keys(key)
    selenium_wait(chromium, lambda: before != chromium.find_element(By.TAG_NAME, "html"))


def selenium_wait(chromium, condition) -> None:
    """Until a condition holds, at most 20 seconds: the machine may be busy."""
    from selenium.webdriver.support.ui import WebDriverWait

    WebDriverWait(chromium, 20, poll_frequency=0.05, ignored_exceptions=(Exception,)).until(lambda _: condition())


def loaded(chromium) -> list[str]:
    """The address of everything that the page fetched."""
    return chromium.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")


def states(on_sqlite) -> dict[str, str]:
    """What stands of each sequence."""
    with on_sqlite.database.reading() as connection:
        rows = gallery.page(connection, gallery.Filters(), CollectorSettings().zone).rows
    return {row.id: row.review_label or row.review for row in rows}


def test_three_keys_settle_a_morning(chromium, station, on_sqlite):
    """y, n and u: each goes on to the next sequence; undo comes back."""
    chromium.find_element(By.CSS_SELECTOR, ".card").click()
    for key in "yn":
        press(chromium, key)
    assert states(on_sqlite) == {"2": "confirmed", "1": "rejected", "0": "open"}

    press(chromium, "u")
    assert states(on_sqlite)["1"] == "open" and chromium.current_url.endswith("/sequences/ridge/1")


def test_relabelling_needs_no_mouse(chromium, station, on_sqlite):
    """r, the animal's name, Enter."""
    chromium.get(f"{station}sequences/ridge/2")
    chromium.find_element(By.TAG_NAME, "body").send_keys("r")
    chromium.switch_to.active_element.send_keys("lynx\n")
    selenium_wait(chromium, lambda: states(on_sqlite)["2"] == "lynx")


def test_last_answer_can_be_taken_back_in_the_gallery(chromium, station, on_sqlite):
    """After the oldest sequence the gallery opens; u works there too."""
    chromium.get(f"{station}sequences/ridge/0")
    press(chromium, "n")
    assert chromium.current_url == station and states(on_sqlite)["0"] == "rejected"

    press(chromium, "u")
    assert states(on_sqlite)["0"] == "open" and chromium.current_url.endswith("/sequences/ridge/0")


def test_key_a_shows_what_spoke_for_it(chromium, station):
    """The frames become activation maps, and thumbnails again."""
    chromium.get(f"{station}sequences/ridge/2")
    names = []
    for _ in range(2):
        press(chromium, "a")
        image = chromium.find_element(By.CSS_SELECTOR, ".frame img")
        selenium_wait(chromium, lambda image=image: int(image.get_property("naturalWidth")) > 0)
        names.append(image.get_attribute("src").rsplit("/", 1)[1])
    assert names == ["0.activation.jpg", "0.thumbnail.jpg"]


def test_region_is_drawn_on_every_frame(chromium, station):
    """A box for each of the three frames."""
    chromium.get(f"{station}sequences/ridge/2")
    assert [len(frame.find_elements(By.TAG_NAME, "rect")) for frame in frames_of(chromium)] == [1, 1, 1]


def frames_of(chromium) -> list:
    """The film strip's frames."""
    return chromium.find_elements(By.CSS_SELECTOR, ".strip .frame")


def test_region_lies_on_its_frame(chromium, station):
    """The box is drawn where the record says, in fractions of the picture."""
    chromium.get(f"{station}sequences/ridge/2")
    frame = chromium.find_element(By.CSS_SELECTOR, ".frame img").rect
    box = chromium.find_element(By.CSS_SELECTOR, ".frame rect").rect

    left, width = (box["x"] - frame["x"]) / frame["width"], box["width"] / frame["width"]
    assert (left, width) == (pytest.approx(0.1, abs=0.02), pytest.approx(0.5, abs=0.02))


@pytest.mark.parametrize("size", SIZES)
def test_every_page_fits_and_is_accessible(chromium, station, tmp_path, size):
    """No page scrolls sideways, axe-core finds no violation, fingers find buttons of 44 pixels."""
    axe = Path(pytest.importorskip("axe_core_python").__file__).with_name("axe.min.js").read_text()
    width, height = SIZES[size]
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": size == "phone"}
    chromium.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)
    found = {}
    for page in PAGES:
        chromium.get(station + page)
        chromium.save_screenshot(str(tmp_path / f"{size}-{page.strip('?').replace('/', '-') or 'nights'}.png"))
        chromium.execute_script(axe)
        report = chromium.execute_async_script("axe.run().then(arguments[arguments.length - 1])")
        wrong = [f"{rule['id']}: {rule['nodes'][0]['html'][:90]}" for rule in report["violations"]]
        if chromium.execute_script("return document.documentElement.scrollWidth") > width:  # innerWidth grows along
            wrong.append("scrolls sideways")
        wrong += [f"too small for a finger: {text}" for text in chromium.execute_script(SMALL)]
        wrong += [f"from elsewhere: {url}" for url in loaded(chromium) if not url.startswith(station)]
        if wrong:
            found[page] = wrong
    assert found == {}, json.dumps(found, indent=1)
