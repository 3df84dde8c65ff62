"""Handle one burst (or a receipt, a start, an offer) while each change of the card is refused, one after another.

It needs the shim of the bad card. It prints a line for each trial with a problem, and then the number of changes.
"""

import hashlib
import logging
import shutil
import sys
from contextlib import suppress
from pathlib import Path

from tests.edge.scene import WatchedTrap, jpeg, slope
from tests.faults.test_offers_power_cut import offer

from support.bad_card import FOR_GOOD, BadCard
from uncia_contract.errors import UnciaError
from uncia_contract.messages.records import Receipt
from uncia_contract.model.bundle import read_bundle
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.outbox.store import Outbox

PICTURES = [jpeg(slope(n).resize((64, 48)), f"2026:05:01 04:00:0{n}") for n in range(3)]


def trial(folder: Path, n: int, times: int, code: int) -> tuple[str | None, int]:
    """Refuse the n-th change (`times` in all); return the problem or None, and how many changes there were."""
    shutil.rmtree(folder, ignore_errors=True)
    card = BadCard(folder / "state")
    post = WatchedTrap(folder)
    for k, picture in enumerate(PICTURES):
        post.put(f"IMG_{k}.JPG", picture)
    camera = post.camera()
    card.refuse(n, times, code)
    calls = 0
    for burst in camera.bursts():
        seen = post.trap.observe(burst)
        if not seen.safe:
            camera.retry_later()
            calls = calls or card.relent()
            continue
        camera.close()
    calls = calls or card.relent()
    files = [path.name for path in (folder / "state" / "outbox" / "frames").rglob("*") if path.is_file()]
    post.outbox.close()
    return f"left behind: {sorted(files)}" if len(files) != 4 else _wrong(folder), calls


def _wrong(folder: Path) -> str | None:
    """The problem after a restart: the sequence must wait once and be complete, and its files must not come again."""
    again = Outbox(folder / "state" / "outbox")
    waiting = again.queries.waiting()
    if len(waiting) != 1 or again.set_aside is not None:
        return f"waiting {waiting}, set aside {again.set_aside}"
    stored = [hashlib.sha256(again.frame_path(waiting[0], n).read_bytes()).hexdigest() for n in range(3)]
    if stored != [hashlib.sha256(picture).hexdigest() for picture in PICTURES]:
        return "other bytes"
    again.close()
    post = WatchedTrap(folder)
    camera = post.camera()
    for _ in range(12):
        arrived = [path for path in camera._watcher.ready(0) if path.suffix == ".JPG"]
        if arrived:
            return f"comes again: {arrived}"
    post.outbox.close()
    return None


def receipt_trial(folder: Path, n: int, times: int, code: int) -> tuple[str | None, int]:
    """A receipt on a card that refuses: it must be applied now or when it comes again, and lose nothing before."""
    shutil.rmtree(folder, ignore_errors=True)
    card = BadCard(folder / "state")
    post = WatchedTrap(folder)
    post.put("IMG_0.JPG", PICTURES[0])
    post.observe()
    [sequence] = post.outbox.queries.waiting()
    receipt = Receipt(sequence, True, (0,))
    card.refuse(n, times, code)
    try:
        post.outbox.apply(receipt)
    except UnciaError as error:
        if not post.outbox.queries.waiting():
            return f"refused ({error}), but gone", card.relent()
    calls = card.relent()
    post.outbox.apply(receipt)
    queries = post.outbox.queries
    wrong = None if queries.is_delivered(sequence) and not queries.waiting() else "not delivered"
    post.outbox.close()
    return wrong, calls


def start_trial(folder: Path, n: int, times: int, code: int) -> tuple[str | None, int]:
    """A start on a card that refuses: it must work or give one clear line, and leave everything as before."""
    shutil.rmtree(folder, ignore_errors=True)
    card = BadCard(folder / "state")
    post = WatchedTrap(folder)
    post.put("IMG_0.JPG", PICTURES[0])
    post.observe()
    waiting = post.outbox.queries.waiting()
    post.outbox.close()
    card.refuse(n, times, code)
    try:
        Outbox(folder / "state" / "outbox").close()
    except UnciaError as error:
        if "\n" in str(error):
            return f"more than a line: {error}", card.relent()
    calls = card.relent()
    again = Outbox(folder / "state" / "outbox")
    found = again.queries.waiting()
    again.close()
    return None if found == waiting else f"waiting {found}, expected {waiting}", calls


def offer_trial(folder: Path, n: int, times: int, code: int) -> tuple[str | None, int]:
    """A bundle offered to a card that refuses: the old one must stay intact, and the next offer must succeed."""
    shutil.rmtree(folder, ignore_errors=True)
    card = BadCard(folder / "state")
    offer(folder, 2)
    installed = InstalledBundle(folder / "state" / "bundle", folder / "configured.uncia")
    card.refuse(n, times, code)
    with suppress(UnciaError, OSError):
        offer(folder, 3)
    calls = card.relent()
    path = installed.path
    if path is None or read_bundle(path).manifest.version not in (2, 3):
        return "the bundle that was installed is gone", calls
    if not (offer(folder, 3) or offer(folder, 3)) or read_bundle(installed.path or path).manifest.version != 3:
        return "the next offer fails", calls
    left = sorted(path.name for path in (folder / "state" / "bundle").iterdir())
    return None if len(left) == 2 else f"left behind: {left}", calls


def main() -> None:
    """Arguments: the folder, the trial's name, the errno."""
    logging.disable(logging.CRITICAL)
    folder, code = Path(sys.argv[1]), int(sys.argv[3])
    run = {"burst": trial, "receipt": receipt_trial, "start": start_trial, "offer": offer_trial}[sys.argv[2]]
    most = 0
    for times in (1, FOR_GOOD):
        n = 0
        while True:
            n += 1
            wrong, calls = run(folder, n, times, code)
            if wrong is not None:
                print(f"change {n}, {'once' if times == 1 else 'and all after it'}: {wrong}")
            if calls < n:
                break
        most = max(most, n - 1)
    print(f"changes {most}")


if __name__ == "__main__":
    main()
