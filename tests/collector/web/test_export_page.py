"""The page of exports in a real Chromium: choices of kind, nights and traps; the file is sent while it is made."""

import csv
import http.client
from datetime import UTC, datetime
from urllib.parse import urlsplit

import pytest
from tests.collector.browser import browser, empty_station, station
from tests.collector.conftest import jpeg

from uncia_collector.catalogue.review import review
from uncia_collector.exports import kinds

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
ASK = """const form = document.querySelector('.asking'), done = arguments[1];
for (const [name, value] of Object.entries(arguments[0])) {
  const field = form.elements[name];
  if (field instanceof RadioNodeList || field.type !== 'checkbox') field.value = value; else field.checked = true;
}
const address = form.action + '?' + new URLSearchParams(new FormData(form));
fetch(address).then(answer => answer.arrayBuffer().then(body => done(
  [answer.headers.get('content-disposition'), Array.from(new Uint8Array(body))])));"""


@pytest.fixture
def asked(browser, station, make_sequence):
    """Fills in the page's form; returns the file's name and content."""
    sent = make_sequence(trap="saddle", id="9", pictures=[jpeg(9)], started_at=datetime(2026, 11, 25, 20, tzinfo=UTC))
    station.stored.commit(*sent.messages())
    review(station.stored.database, ("ridge", "2"), "confirmed", "anara", datetime.now(UTC))
    browser.open(f"{station.address}export")

    def ask(**wanted: str) -> tuple[str, bytes]:
        name, content = browser.driver.execute_async_script(ASK, wanted)
        return name, bytes(content)

    return ask


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ({}, {"0", "1", "2", "9"}),
        ({"trap": "saddle"}, {"9"}),
        ({"since": "2026-11-23", "until": "2026-11-26"}, {"9"}),
        ({"until": "2026-11-22"}, {"0", "1", "2"}),
        ({"reviewed": "yes"}, {"2"}),
        ({"reviewed": "no", "trap": "ridge"}, {"0", "1"}),
    ],
    ids=["everything", "one trap", "some nights", "until a night", "reviewed", "not reviewed of a trap"],
)
def test_only_what_was_asked_for_is_exported(asked, wanted, expected):
    """The form selects by nights, by traps, and by reviewed or not."""
    name, content = asked(kind="scores", **wanted)
    assert name == 'attachment; filename="scores.csv"'
    assert {row["sequence"] for row in csv.DictReader(content.decode().splitlines())} == expected


def test_pictures_are_inside_when_asked_for(asked):
    """Camtrap DP with and without the pictures."""
    sizes = [len(asked(kind="camtrap-dp", **more)[1]) for more in ({}, {"pictures": "1"})]
    assert sizes[1] > sizes[0] + 10_000


def test_file_is_sent_as_it_is_made(browser, station, monkeypatch):
    """The first bytes are sent before the last are made; an error on the way breaks the download off."""
    made = []

    def write(_request, stream) -> None:
        stream.write(b"x" * 600_000)
        made.append("first")
        raise OSError("the disk is gone")

    monkeypatch.setitem(kinds.KINDS, "scores", kinds.Kind("scores.csv", "text/csv", "", "", write))
    connection = http.client.HTTPConnection(urlsplit(station.address).netloc)
    [cookie] = browser.driver.get_cookies()
    connection.request("GET", "/export/scores", headers={"cookie": f"{cookie['name']}={cookie['value']}"})
    answer = connection.getresponse()
    assert answer.status == 200 and answer.headers["content-length"] is None and len(answer.read(1000)) == 1000
    with pytest.raises(http.client.IncompleteRead):
        answer.read()
