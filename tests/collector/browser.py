"""A real headless Chromium that waits for conditions and not for times, and a station whose pages it opens."""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.collector.conftest import StoreUnderTest

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.settings import CollectorSettings, HttpSettings
from uncia_collector.web.app import make_app
from uncia_collector.web.server import PageServer
from uncia_contract.messages.records import BundleIdentity

BUNDLE = Path(__file__).parents[2] / "models" / "rendered-demo-1.uncia"
IDENTITY = BundleIdentity("rendered-demo", 1, hashlib.sha256(BUNDLE.read_bytes()).hexdigest())
PASSWORD = "snow and rocks"
PATIENCE_S = 60  # enough for a busy machine
CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
DEPLOYMENTS = (
    "deploymentID,locationName,latitude,longitude,deploymentStart,cameraID,deploymentEnd\n"
    "d1,,36.9,73.0,2026-01-01,ridge,\n"
    "d2,Above the second spring,36.95,73.1,2026-01-01,a-trap-whose-name-has-32-letters,\n"
)


class Browser:
    """What a person does with a browser; methods that lead to another page return when it is loaded."""

    def __init__(self, driver: Any) -> None:
        self.driver, self.width = driver, 0
        driver.set_script_timeout(PATIENCE_S)

    def open(self, address: str) -> None:
        """Open an address, and wait until the page and its pictures are loaded."""
        self.driver.get(address)
        self.until(lambda: self.run("return document.readyState === 'complete'"))

    def follow(self, act: Callable[[], object]) -> None:
        """When answers count, do what leads to another page; wait until that page and its scripts are loaded."""
        self.until(lambda: self.run("return document.documentElement.classList.contains('ready')"))
        self.run("document.isTheOldPage = true")
        act()
        self.until(lambda: self.run("return document.readyState === 'complete' && !document.isTheOldPage"))

    def press(self, key: str) -> None:
        """Press a key that leads to another page."""
        self.follow(lambda: self.type(key))

    def click(self, selector: str) -> None:
        """Click an element that leads to another page."""
        self.follow(self.one(selector).click)

    def type(self, keys: str) -> None:
        """Type keys into the element that has the focus."""
        self.driver.switch_to.active_element.send_keys(keys)

    def log_in(self, address: str, name: str) -> None:
        """Log in with the form of the page."""
        self.driver.delete_all_cookies()
        self.open(f"{address}login")
        self.one("[name=name]").send_keys(name)
        self.follow(lambda: self.one("[name=password]").send_keys(f"{PASSWORD}\n"))
        assert self.driver.current_url == address

    def one(self, selector: str) -> Any:
        """The first element of a selector."""
        return self.driver.find_element("css selector", selector)

    def all(self, selector: str) -> list[Any]:
        """All elements of a selector."""
        return self.driver.find_elements("css selector", selector)

    def run(self, script: str, *arguments: object) -> Any:
        """Run a script on the page; return its result."""
        return self.driver.execute_script(script, *arguments)

    def until(self, condition: Callable[[], object]) -> None:
        """Wait until a condition holds."""
        from selenium.webdriver.support.ui import WebDriverWait

        wait = WebDriverWait(self.driver, PATIENCE_S, poll_frequency=0.02, ignored_exceptions=(Exception,))
        wait.until(lambda _: condition())

    def resize(self, width: int, height: int) -> None:
        """Set the size of the screen in pixels; below 500 it is a phone."""
        self.width = width
        metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 500}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)

    def darken(self, scheme: str) -> None:
        """Set the preferred colours of the tablet: `dark` or `light`."""
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})


@dataclass
class Station:
    """A running page: its address, application, store and people."""

    address: str
    app: Starlette
    stored: StoreUnderTest
    people: People


@pytest.fixture(scope="module")
def browser():
    """A headless Chromium."""
    webdriver = pytest.importorskip("selenium.webdriver")
    if not (CHROMIUM and DRIVER):
        pytest.skip("NO CHROMIUM: install chromium and chromium-driver; the page was not seen")
    options = webdriver.ChromeOptions()
    for argument in (
        "--headless=new",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--window-size=1280,900",
    ):
        options.add_argument(argument)
    options.binary_location, options.page_load_strategy = CHROMIUM, "eager"  # some tests look while pictures come
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(DRIVER))
    yield Browser(driver)
    driver.quit()


@pytest.fixture
def empty_station(on_sqlite, browser):
    """A station without sequences; an administrator is logged in."""
    people = People(on_sqlite.database)
    for name, role in (("anara", "administrator"), ("bek", "viewer")):
        people.set_user(name, PASSWORD, role, datetime.now(UTC))
    app = make_app(CollectorSettings(data=str(on_sqlite.root), bundles=str(BUNDLE.parent)), on_sqlite.database)
    server = PageServer(app, HttpSettings(port=0))
    server.start()
    browser.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    browser.log_in(server.address, "anara")
    yield Station(server.address, app, on_sqlite, people)
    browser.open("about:blank")  # so that no page sends requests while the server stops
    server.stop()


@pytest.fixture
def station(browser, empty_station, make_sequence, make_jpeg, tmp_path):
    """The same with three sequences to review and two places."""
    for n in range(3):
        sequence = make_sequence(
            id=str(n), started_at=datetime(2026, 11, 22, 20, tzinfo=UTC) + timedelta(minutes=40 * n),
            pictures=[make_jpeg(10 * n + k, (320, 240)) for k in range(3)], score=0.6 + n / 10, bundle=IDENTITY,
        )  # fmt: skip
        empty_station.stored.commit(*sequence.messages())
    table = tmp_path / "deployments.csv"
    table.write_text(DEPLOYMENTS)
    read_deployments(table, empty_station.stored.database)
    browser.open(empty_station.address)
    return empty_station
