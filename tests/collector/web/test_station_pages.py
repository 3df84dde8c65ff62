"""Traps, map, recall and refused messages in a real Chromium: the most important part comes first."""

from datetime import UTC, datetime

import msgspec
import pytest
from tests.collector.browser import browser, empty_station, station
from tests.collector.web.test_page import state_message

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.ingest.wire_messages import RawMessage
from uncia_contract.messages.records import TrapState, decode, encode

pytestmark = pytest.mark.heavy

__all__ = ["browser", "empty_station", "station"]
RECTS = """return [...document.querySelectorAll(arguments[0])].map(one => one.getBoundingClientRect())
  .map(({left, right, width}) => [left, right, width])"""


def say(station, trap: str, **changed) -> None:
    """Store a state of a trap, as received now."""
    well = {"clock_synchronised": True, "disk_free_bytes": 9_000_000_000, "battery_v": 12.6}
    state = msgspec.structs.replace(decode(state_message().payload, TrapState), trap=trap, **(well | changed))
    station.stored.commit(RawMessage(f"uncia/v1/{trap}/state", encode(state)), now=datetime.now(UTC))


def test_traps_that_need_attention_come_first(browser, empty_station):
    """Each has its needs in words, even if the trap is online."""
    say(empty_station, "a-well")
    say(empty_station, "b-clock", clock_synchronised=False)
    say(empty_station, "c-outbox", outbox_sequences=14, outbox_age_s=200_000)
    say(empty_station, "d-battery", battery_v=11.1)
    say(empty_station, "e-folder", degraded=("camera folder is away",))
    browser.open(f"{empty_station.address}traps")
    assert [one.text[0] for one in browser.all(".trap h2 a")] == ["e", "d", "c", "b", "a"]
    told = [one.text for one in browser.all(".needs")]
    words = ["The trap reports: camera folder is away", "Battery low: 11.1 V", "14 sequences wait", "not synchronised"]
    assert [word for word, text in zip(words, told, strict=True) if word not in text] == []
    assert next(one.text for one in browser.all(".trap .mark")) == "needs attention"


def test_phone_shows_all_traps_on_the_map(browser, station, tmp_path):
    """No trap is outside a screen of 390 pixels; numbers refer to the names in the table."""
    table = tmp_path / "more.csv"
    rows = "".join(f"x{n},,{36.9 + n / 50},{73.0 + n / 30},2026-01-01,t{n},\n" for n in range(8))
    table.write_text(f"deploymentID,locationName,latitude,longitude,deploymentStart,cameraID,deploymentEnd\n{rows}")
    read_deployments(table, station.stored.database)
    browser.resize(390, 844)
    browser.open(f"{station.address}map?days=3650")
    circles = browser.run(RECTS, ".map circle")
    assert len(circles) == 10 and all(left >= 0 and right <= 390 for left, right, _ in circles)
    numbers = [one.text for one in browser.all("svg .number")]
    assert numbers == [one.text for one in browser.all("td.number")] and numbers[-1] == "10"


def test_recall_names_the_places(browser, station, make_sequence, tmp_path):
    """A site has its deployment's name; a viewer, who may not know where it is, sees its id."""
    table = tmp_path / "named.csv"
    table.write_text(
        "deploymentID,locationID,locationName,latitude,longitude,deploymentStart,cameraID,deploymentEnd\n"
        "n1,loc9,Red cliff,36.9,73.0,2026-01-01,cliff,\n"
    )
    read_deployments(table, station.stored.database)
    station.stored.commit(*make_sequence(trap="cliff", positive=False, audit=True).messages())
    sites = {}
    for name in ("anara", "bek"):
        browser.log_in(station.address, name)
        browser.open(f"{station.address}recall")
        sites[name] = browser.one("tbody tr:nth-child(2) th").text
    assert sites == {"anara": "Red cliff", "bek": "loc9"}


def test_refused_begins_with_the_refused_messages(browser, station):
    """The messages in quarantine come before all counts."""
    station.stored.commit(RawMessage("uncia/v1/ridge/state", b"not json"))
    browser.open(f"{station.address}quarantine")
    tables = [one.text for one in browser.all("table")]
    assert "uncia/v1/ridge/state" in tables[0] and "How many" in tables[1]
