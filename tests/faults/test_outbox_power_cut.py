"""Power cuts at any instruction, replayed from recordings of the real process (support.power_cut).

Each kind of state is checked on 1,000 disks. With a wrong SQLite setting, or without the folder's fsync, the same check
must find losses; otherwise it would prove nothing.
"""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from uncia_contract.errors import StorageError
from uncia_edge.outbox.store import Outbox

OUTBOX_WORK = """
import sys
from pathlib import Path
from uncia_contract.messages.records import MissingFrame, Receipt
from support.power_cut import leave_out_folder_fsyncs
from uncia_edge.outbox.store import Outbox
from support.records import make_record, write_frames

root, synchronous, folder_sync = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "yes"
if not folder_sync:
    leave_out_folder_fsyncs()
marks = open(root / "marks", "a", buffering=1)
(root / "spool").mkdir()
outbox = Outbox(root / "state" / "outbox", synchronous)
taken = []
for n in range(24):
    contents = [bytes([n, k]) * (300 + 700 * k) for k in range(3)]
    sequence = outbox.next_sequence_id("ridge-01")
    marks.write(f"id {sequence}\\n")
    outbox.add(make_record(sequence, contents), write_frames(root / "spool", contents, sequence))
    marks.write(f"taken {sequence}\\n")
    taken.append(sequence)
    if n % 4 == 1:
        outbox.apply(Receipt(taken[-1], True, (2,), (MissingFrame(0), MissingFrame(1))))
    if n % 4 == 2:
        sequence = taken.pop(0)
        marks.write(f"receipted {sequence}\\n")
        outbox.apply(Receipt(sequence, True, (0, 1, 2)))
    if n == 12:
        outbox.close()
        outbox = Outbox(root / "state" / "outbox", synchronous)
"""


def outbox_fault(disk: Path, promises: list[str]) -> str | None:
    """The problem of a restarted trap: a stored sequence is gone, a frame has other bytes, or an id is used again."""
    words = [line.split() for line in promises]
    given = {sequence for word, sequence in words if word == "id"}
    owed = {sequence for word, sequence in words if word == "taken"}
    maybe_gone = {sequence for word, sequence in words if word == "receipted"}
    try:
        outbox = Outbox(disk / "state" / "outbox")
    except StorageError as error:
        return f"does not open: {error}"
    try:
        return _wrong_with(outbox, given, owed, maybe_gone)
    finally:
        outbox.close()


def _wrong_with(outbox: Outbox, given: set[str], owed: set[str], maybe_gone: set[str]) -> str | None:
    waiting = set(outbox.queries.waiting())
    if lost := owed - waiting - maybe_gone:
        return f"lost {sorted(lost)}"
    if outbox.set_aside is not None:
        return "database corrupt"
    for sequence in waiting:
        item = outbox.get(sequence)
        assert item is not None
        for entry in item.record.frames:
            path = outbox.frame_path(sequence, entry.n)
            if not path.exists() or hashlib.sha256(path.read_bytes()).hexdigest() != entry.sha256:
                return f"frame {entry.n} of {sequence} is wrong"
    if outbox.next_sequence_id("ridge-01") in given:
        return "an id was given twice"
    return None


def test_no_power_cut_loses_or_corrupts_what_the_outbox_took(power: Any) -> None:
    """In a thousand cuts over table, frames and identity, no sequence is lost after `add` has returned."""
    recording = power.record(OUTBOX_WORK, "FULL", "yes")
    assert recording.operations > 500
    assert power.faults(recording, outbox_fault, states=1000) == []


@pytest.mark.parametrize(("synchronous", "folder_sync"), [("NORMAL", "yes"), ("FULL", "no")])
def test_the_replay_finds_what_a_wrong_setting_loses(power: Any, synchronous: str, folder_sync: str) -> None:
    """With SQLite at NORMAL, or without fsync of the folders, the check finds that stored sequences are lost."""
    found = power.faults(power.record(OUTBOX_WORK, synchronous, folder_sync), outbox_fault, states=200)
    assert len([fault for fault in found if "lost" in fault or "wrong" in fault]) >= 5
