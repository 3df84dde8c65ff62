"""A card that is full, failing, read-only, or limits file sizes: one clear line, and nothing is stored in part."""

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.records import make_record, write_frames
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import Receipt
from uncia_edge.outbox.retention import Bounds, Pressure
from uncia_edge.outbox.store import Outbox

CONTENTS = [bytes([n]) * 30_000 for n in range(3)]
as_root = pytest.mark.skipif(os.getuid() != 0, reason="NOT ROOT: mounts were not tested")


def whole(outbox: Outbox) -> bool:
    """Whether every waiting sequence has all its frames in their sizes."""
    items = [outbox.get(sequence) for sequence in outbox.queries.waiting()]
    return all(
        outbox.frame_path(item.record.id, entry.n).stat().st_size == entry.size
        for item in items
        if item is not None
        for entry in item.record.frames
    )


@pytest.fixture
def card(tmp_path: Path) -> Iterator[Path]:
    """A small card: a tmpfs of 2 MB."""
    folder = tmp_path / "card"
    folder.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)], check=False)
    if done.returncode:
        pytest.skip("NO MOUNT: this machine does not let us mount a tmpfs")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


def fill(outbox: Outbox, spool: Path, most: int = 200) -> list[str]:
    """Add sequences until the card is full; return those that were stored."""
    taken: list[str] = []
    for n in range(most):
        sequence = f"s{n:04d}"
        files = write_frames(spool, CONTENTS, sequence)
        try:
            outbox.add(make_record(sequence, CONTENTS), files)
        except StorageError:
            break
        taken.append(sequence)
    return taken


@as_root
def test_a_full_card_refuses_in_one_line_and_keeps_what_it_took(card: Path, tmp_path: Path) -> None:
    """At ENOSPC, stored sequences are complete, and a refused one leaves no file."""
    outbox = Outbox(card / "outbox")
    taken = fill(outbox, tmp_path / "spool")
    assert 5 < len(taken) < 200
    assert (outbox.queries.waiting(), whole(outbox)) == (taken, True)
    outbox.close()
    again = Outbox(card / "outbox")
    assert (again.queries.waiting(), whole(again)) == (taken, True)


@as_root
def test_a_full_card_is_drained_with_the_ballast(card: Path, tmp_path: Path) -> None:
    """SQLite cannot even delete on a full card; after the ballast file is deleted, receipts are applied again."""
    outbox = Outbox(card / "outbox")
    pressure = Pressure(outbox, Bounds(10**9, 0, 300_000))
    pressure.relieve()
    taken = fill(outbox, tmp_path / "spool")
    with (card / "junk").open("wb", buffering=0) as junk, contextlib.suppress(OSError):
        while junk.write(b"x" * 512):
            pass
    assert pressure.give_up_ballast()
    outbox.apply(Receipt(taken[0], True, (0, 1, 2)))
    assert outbox.queries.is_delivered(taken[0])


@as_root
def test_a_read_only_card_is_one_clear_line_and_loses_nothing(card: Path, tmp_path: Path) -> None:
    """As with errors=remount-ro: the trap reports the problem; when it can write again, everything waits as before."""
    outbox = Outbox(card / "outbox")
    outbox.add(make_record("s1", CONTENTS), write_frames(tmp_path / "spool", CONTENTS))
    outbox.close()
    subprocess.run(["mount", "-o", "remount,ro", str(card)], check=True)
    with pytest.raises(StorageError, match=r"outbox .*check that the card is writable"):
        Outbox(card / "outbox")
    subprocess.run(["mount", "-o", "remount,rw", str(card)], check=True)
    again = Outbox(card / "outbox")
    assert (again.queries.waiting(), whole(again), again.set_aside) == (["s1"], True, None)


@pytest.mark.parametrize("limit", [1000, 20_000, 100_000, 200_000])
def test_a_limit_on_file_sizes_leaves_nothing_half(tmp_path: Path, limit: int) -> None:
    """RLIMIT_FSIZE ends a write in the middle (SQLite calls it an I/O error): refused, or stored completely."""
    code = f"""
import resource, signal, sys
from pathlib import Path
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
from uncia_contract.errors import StorageError
from uncia_edge.outbox.store import Outbox
from support.records import make_record, write_frames
contents = [bytes([n]) * 30_000 for n in range(3)]
spool, folder = Path({str(tmp_path / "spool")!r}), Path({str(tmp_path / "outbox")!r})
files = [write_frames(spool, contents, f"s{{n}}") for n in range(60)]
Path.hardlink_to = lambda *_: (_ for _ in ()).throw(OSError("another file system"))
resource.setrlimit(resource.RLIMIT_FSIZE, ({limit}, {limit}))
try:
    outbox = Outbox(folder)
    for n in range(60):
        outbox.add(make_record(f"s{{n}}", contents), files[n])
        print(f"s{{n}}", flush=True)
except StorageError as error:
    print(error, file=sys.stderr)
    sys.exit(2)
"""
    environment = {**os.environ, "PYTHONPATH": ":".join(sys.path)}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (done.returncode, done.stderr.count("\n"), "Traceback" in done.stderr) == (2, 1, False), done.stderr
    outbox = Outbox(tmp_path / "outbox")
    assert set(done.stdout.split()) <= set(outbox.queries.waiting())
    assert whole(outbox)
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] != limit


@pytest.mark.parametrize("call", range(8))
def test_an_io_error_at_any_fsync_keeps_nothing_half(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: int
) -> None:
    """EIO at the n-th fsync of an `add`: the sequence is refused, and a failed fsync is never simply repeated."""
    outbox = Outbox(tmp_path / "outbox")
    outbox.add(make_record("x-01", CONTENTS), write_frames(tmp_path / "spool", CONTENTS, "first"))
    real, calls = os.fsync, iter(range(100))

    def fsync(descriptor: int) -> None:
        if next(calls) == call:
            raise OSError(5, "Input/output error")
        real(descriptor)

    monkeypatch.setattr("os.fsync", fsync)
    try:
        outbox.add(make_record("y-02", CONTENTS), write_frames(tmp_path / "spool", CONTENTS, "second"))
        refused = False
    except StorageError as error:
        refused = "Input/output error" in str(error)
    monkeypatch.undo()
    fsyncs = 5  # three frames, the record, their folder
    assert refused is (call < fsyncs)
    assert outbox.queries.waiting() == (["x-01"] if refused else ["x-01", "y-02"])
    assert whole(Outbox(tmp_path / "outbox"))


@pytest.mark.parametrize("cut", range(0, 60_000, 4_000))
def test_a_database_truncated_anywhere_is_rebuilt(tmp_path: Path, cut: int) -> None:
    """Even without a table, every sequence on the card waits again."""
    outbox = Outbox(tmp_path / "outbox")
    for n in range(20):
        outbox.add(make_record(f"s{n}", [b"x"]), write_frames(tmp_path / "spool", [b"x"], f"s{n}"))
    outbox.close()
    path = tmp_path / "outbox" / "outbox.db"
    os.truncate(path, min(cut, path.stat().st_size))
    assert len(Outbox(tmp_path / "outbox").queries.waiting()) == 20
