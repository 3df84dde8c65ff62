"""Power cuts in passes: whenever a Pi is switched off, each burst is decided once, in this pass or another."""

import os
from pathlib import Path
from typing import Any

from tests.edge.scene import BUNDLE, reading
from tests.faults.station import sha256_of

from support.fixed_scores import Told
from uncia_contract.bursts.frames import BurstRule
from uncia_edge.bundles.proofs import Proofs
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observer
from uncia_edge.service.trial import Trial

BURSTS, FRAMES = 8, 2
WORK = """
import os, sys
from pathlib import Path
from uncia_contract.files import write_durable, sync_folder
from tests.edge.scene import jpeg, slope
from tests.faults.test_pass_power_cut import BURSTS, FRAMES, one_pass
from uncia_edge.bundles.proofs import Proofs
from uncia_edge.outbox.store import Outbox
if sys.argv[2] == "no":
    from uncia_edge.camera.seen_files import SeenFiles
    SeenFiles.offer = lambda *_: None
root = Path(sys.argv[1])
marks = open(root / "marks", "a", buffering=1)
(root / "DCIM").mkdir()
sync_folder(root)
for n in range(BURSTS):
    for k in range(FRAMES):
        small = slope(100 * n + k).resize((64, 48))
        path = root / "DCIM" / f"{n:02d}-{k}.JPG"
        write_durable(path, jpeg(small, f"2026:05:01 {n:02d}:00:0{k}"))
        os.utime(path, (1_000_000, 1_000_000))
    marks.write(f"arrived {n}\\n")
    if n % 2:  # a pass after every second burst
        one_pass(root)
        Proofs(root / "state").note(str(n) * 64, "")
"""


def one_pass(root: Path) -> None:
    """Do as `uncia-trap pass` does without a network: camera, scoring, outbox, ledger; then the power is cut."""
    outbox = Outbox(root / "state" / "outbox")
    try:
        trap = Observer("ridge-01", Told(0.9), BUNDLE, outbox, reading)
        camera = _camera(root, outbox)
        for burst in camera.bursts():
            seen = trap.observe(burst, Trial(root / "state").is_wanted)
            camera.decided(seen.contents, seen.unreadable)
    finally:
        outbox.close()


def _camera(root: Path, outbox: Outbox) -> WatchedCamera:
    watch, ledger = WatchSettings("polling", settle_s=0.0, quiet_s=0.0, once=True), root / "state" / "ledger"
    camera = WatchedCamera(root / "DCIM", ledger, BurstRule(), outbox.queries.has_taken, watch=watch)
    camera._watcher._listen = lambda timeout_s: {}  # type: ignore[method-assign]
    return camera


def pass_fault(disk: Path, promises: list[str]) -> str | None:
    """The problem after the next pass on the disk that the power cut left."""
    if not promises:
        return None
    for path in (disk / "DCIM").iterdir():
        os.utime(path, (1_000_000, 1_000_000))  # the recorder does not store times
    one_pass(disk)
    outbox = Outbox(disk / "state" / "outbox")
    try:
        firsts = [item.record.frames[0].sha256 for one in outbox.queries.waiting() if (item := outbox.get(one))]
    finally:
        outbox.close()
    Proofs(disk / "state").holds("1" * 64, "")
    for line in promises:
        first = disk / "DCIM" / f"{int(line.split()[1]):02d}-0.JPG"
        if (times := firsts.count(sha256_of(first))) != 1:
            return f"{'lost' if not times else 'doubled'}: {first.name}"
    return None


def test_no_power_cut_loses_or_doubles_a_burst_of_a_pass(power: Any) -> None:
    """Three hundred cuts over pictures, ledger, outbox and proofs, each followed by a pass."""
    assert power.faults(power.record(WORK, "yes"), pass_fault, states=300) == []


def test_the_replay_finds_a_pass_that_offers_nothing(power: Any) -> None:
    """Without the ledger the check finds bursts that come twice."""
    found = power.faults(power.record(WORK, "no"), pass_fault, states=300)
    assert len([fault for fault in found if "doubled" in fault]) >= 3
