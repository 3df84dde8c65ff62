"""The state folder of a trap with release 0.1 can be opened and used."""

import json
import os
from pathlib import Path

import pytest

from support.records import make_record, write_frames
from uncia_contract.messages.records import Receipt
from uncia_edge.camera.folder_watcher import key_of
from uncia_edge.camera.seen_files import SeenFiles
from uncia_edge.outbox.store import Outbox
from uncia_edge.service.overrides import OverrideFile


@pytest.fixture
def ids(release: Path) -> dict[str, str]:
    """Sequence ids by their state."""
    return dict(json.loads((release / "trap" / "contents.json").read_text()))


@pytest.fixture
def outbox(release: Path) -> Outbox:
    return Outbox(release / "trap" / "outbox")


def test_each_sequence_is_in_the_state_it_was_left_in(outbox: Outbox, ids: dict[str, str]) -> None:
    """Waiting, partly stored, parked, delivered, held for an audit, or dropped."""
    assert outbox.set_aside is None
    assert outbox.queries.waiting() == [ids[name] for name in ("waiting", "partly-stored", "parked", "held")]
    assert list(outbox.queries.parked()) == [ids["parked"]]
    assert outbox.queries.is_delivered(ids["delivered"])
    partly = outbox.get(ids["partly-stored"])
    assert partly is not None and partly.unsent == [1, 2]
    assert outbox.counters().bursts == 7


def test_it_takes_the_next_sequence_and_a_receipt(outbox: Outbox, ids: dict[str, str], tmp_path: Path) -> None:
    """Ids go on from the last one, and a receipt removes a waiting sequence."""
    following = outbox.next_sequence_id("ridge-01")
    outbox.add(make_record(following, [b"new"]), write_frames(tmp_path / "new", [b"new"]))
    outbox.apply(Receipt(ids["waiting"], record_stored=True, frames_stored=(0, 1, 2)))
    assert following.endswith("-000007")
    assert following in outbox.queries.waiting() and ids["waiting"] not in outbox.queries.waiting()


def test_files_that_were_handed_over_do_not_come_again(release: Path) -> None:
    """The ledger names them by path, size and time; a git checkout does not keep times, so the test sets them."""
    trap = release / "trap"
    for line in (trap / "watched.jsonl").read_text().splitlines():
        for name, _, modified_ns in json.loads(line)[1]:
            os.utime(trap / "watched" / name, ns=(modified_ns, modified_ns))
    ledger = SeenFiles(trap / "watched.jsonl", trap / "watched")
    known = [key_of(trap / "watched" / f"frame-{n}.jpg", trap / "watched") in ledger for n in range(3)]
    assert known == [True, True, False]


def test_settings_made_remotely_are_kept(release: Path) -> None:
    """A threshold set by the base station is kept over the upgrade."""
    assert OverrideFile(release / "trap" / "overrides.json").current.threshold == 0.7
