"""Power cuts between camera and outbox: each burst of a watched folder is stored exactly once, also if renamed."""

import os
from pathlib import Path
from typing import Any

import pytest
from tests.faults.station import sha256_of

from uncia_contract.bursts.frames import BurstRule
from uncia_edge.camera.folder_watcher import key_of
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.outbox.store import Outbox

WORK = """
import hashlib, os, sys
from pathlib import Path
from uncia_contract.bursts.frames import BurstRule, Frame
from uncia_contract.files import sync_folder, write_durable
from uncia_edge.camera.cameras import ArrivedBurst
from uncia_edge.camera import seen_files
from uncia_edge.camera.folder_watcher import key_of
from uncia_edge.camera.seen_files import SeenFiles
from uncia_edge.outbox.store import Outbox
from support.records import make_record
from uncia_edge.camera.watched import WatchedCamera, WatchSettings, _PendingBurst

seen_files.REWRITTEN_AFTER = 7
root, synchronous, offers = Path(sys.argv[1]), sys.argv[2], sys.argv[3] == "yes"
if not offers:
    SeenFiles.offer = lambda *_: None
marks = open(root / "marks", "a", buffering=1)
(root / "DCIM").mkdir()
sync_folder(root)
outbox = Outbox(root / "state" / "outbox", synchronous)
watch = WatchSettings("polling")
camera = WatchedCamera(root / "DCIM", root / "state" / "ledger", BurstRule(), outbox.queries.has_taken, watch=watch)
for n in range(24):
    contents = [bytes([n, k]) * (300 + 700 * k) for k in range(3)]
    paths = [root / "DCIM" / f"{n:02d}-{k}.jpg" for k in range(3)]
    for path, content in zip(paths, contents):
        write_durable(path, content)
        os.utime(path, (1_000_000, 1_000_000))
    marks.write(f"arrived {n}\\n")
    burst = ArrivedBurst(paths[0].name, tuple(Frame(path.name, path) for path in paths))
    for _ in camera._hand_over(_PendingBurst(burst, tuple(key_of(path, root / "DCIM") for path in paths))):
        outbox.add(make_record(outbox.next_sequence_id("ridge-01"), contents), paths)
        camera.decided({path: hashlib.sha256(one).hexdigest() for path, one in zip(paths, contents)}, ())
    if n % 3 == 0:  # a camera that renames
        renamed = paths[0].rename(root / "DCIM" / f"renamed-{n:02d}.jpg")
        camera._known({renamed: key_of(renamed, root / "DCIM")})
    if n == 12:
        outbox.close()
        outbox = Outbox(root / "state" / "outbox", synchronous)
"""


def watched_fault(disk: Path, promises: list[str]) -> str | None:
    """The problem of a restarted trap: a burst is neither in the outbox nor offered again, or it is both."""
    folder = disk / "DCIM"
    if not promises:
        return None
    for path in folder.iterdir():
        os.utime(path, (1_000_000, 1_000_000))  # the recorder does not store times
    outbox = Outbox(disk / "state" / "outbox")
    try:
        watch = WatchSettings("polling")
        camera = WatchedCamera(folder, disk / "state" / "ledger", BurstRule(), outbox.queries.has_taken, watch=watch)
        items = [outbox.get(sequence) for sequence in outbox.queries.waiting()]
        taken = [item.record.frames[0].sha256 for item in items if item is not None]
        for line in promises:
            n = int(line.split()[1])
            renamed, first = folder / f"renamed-{n:02d}.jpg", folder / f"{n:02d}-0.jpg"
            fault = _wrong_with(renamed if renamed.exists() else first, folder, camera, taken)
            if fault:
                return fault
    finally:
        outbox.close()
    return None


def _wrong_with(first: Path, folder: Path, camera: WatchedCamera, taken: list[str]) -> str | None:
    times, key = taken.count(sha256_of(first)), key_of(first, folder)
    known = key in camera._seen or first in camera._known({first: key})
    if times > 1 or (times and not known):
        return f"doubled: {first.name}"
    return f"lost: {first.name}" if known and not times else None


def test_no_power_cut_loses_or_doubles_a_burst(power: Any) -> None:
    """A thousand cuts over folder, ledger and outbox."""
    assert power.faults(power.record(WORK, "FULL", "yes"), watched_fault, states=1000) == []


@pytest.mark.parametrize(
    ("synchronous", "offers", "finds"),
    [("NORMAL", "yes", "lost"), ("FULL", "no", "doubled")],
    ids=["NORMAL", "no offer"],
)
def test_the_replay_finds_what_a_mistake_costs(power: Any, synchronous: str, offers: str, finds: str) -> None:
    """The check finds lost bursts with a table at NORMAL, and doubled ones with a ledger without offers."""
    found = power.faults(power.record(WORK, synchronous, offers), watched_fault, states=600)
    assert len([fault for fault in found if finds in fault]) >= 3
