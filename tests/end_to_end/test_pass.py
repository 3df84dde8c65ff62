"""`uncia-trap pass`: one pass over a watched folder, with the real base station, and its exit codes."""

import os
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.conftest import jpeg
from tests.end_to_end.test_trap_life import Base, base, wait

from uncia_contract.errors import BundleError
from uncia_contract.model.classifier import Classifier
from uncia_edge.bundles import proofs
from uncia_edge.bundles.proofs import Proofs
from uncia_edge.camera import folder_watcher
from uncia_edge.cli.main import main
from uncia_edge.clock import NOTE
from uncia_edge.outbox.store import Outbox

__all__ = ["base"]
CONFIGURATION = """
trap = "ridge-1"
bundle = "{bundle}"
[camera]
kind = "watched"
folder = "DCIM"
[passes]
for_s = 30
every_s = 1800
[broker]
port = {port}
"""


def put(folder: Path, burst: int, age_s: float = 3600.0) -> None:
    """Write a burst of three pictures that were taken that long ago; an hour is between two bursts."""
    folder.mkdir(exist_ok=True)
    for frame in range(3):
        path = folder / f"{burst:02d}-{frame}.JPG"
        path.write_bytes(jpeg(100 * burst + frame))
        at = time.time() - age_s - 3600 * burst + frame
        os.utime(path, (at, at))


@pytest.fixture
def old(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make files look unchanged for an hour, as after a boot; a file's change time cannot be set."""
    monkeypatch.setattr(folder_watcher.FolderWatcher, "age_s", lambda self, path: 3600.0)


@pytest.fixture
def pass_once(base: Base, eager_bundle: Path) -> Callable[..., int]:
    (base.folder / "DCIM").mkdir()
    (base.folder / "trap.toml").write_text(CONFIGURATION.format(bundle=eager_bundle, port=base.broker.port))
    return lambda *words: main(["pass", "--config", str(base.folder / "trap.toml"), *words])


def test_a_pass_decides_delivers_and_tells_when_the_next_one_is(
    base: Base, pass_once: Callable[..., int], old: None
) -> None:
    """Two bursts arrive with all frames; the state says "in half an hour"; availability is `sleeping`."""
    put(base.folder / "DCIM", 0)
    put(base.folder / "DCIM", 1)
    assert pass_once() == 0
    assert [row.frames_stored for row in base.rows()] == [3, 3]
    wait(lambda: base.availability() == "sleeping")
    state = base.state()
    assert state is not None
    assert state.outbox_sequences == 0
    assert state.next_pass_at == state.sent_at + timedelta(seconds=1800)


def test_nobody_else_reads_what_a_pass_keeps(base: Base, pass_once: Callable[..., int], old: None) -> None:
    """Pictures, records and notes are private, as with `run`; only the clock's note can be read by the service."""
    put(base.folder / "DCIM", 0)
    assert pass_once() == 0
    kept = [path for path in (base.folder / "state").rglob("*") if path.name != NOTE]
    assert {path.stat().st_mode & 0o077 for path in kept} == {0}


def test_what_was_decided_is_not_decided_again(base: Base, pass_once: Callable[..., int], old: None) -> None:
    """The next pass scores only new pictures."""
    put(base.folder / "DCIM", 0)
    assert pass_once() == 0
    put(base.folder / "DCIM", 1)
    assert pass_once() == 0
    assert len(base.rows()) == 2


def test_pictures_of_this_minute_are_waited_for(base: Base, pass_once: Callable[..., int]) -> None:
    """The camera may still write: the pass waits until the burst has ended, by the times of the files."""
    put(base.folder / "DCIM", 0)
    began_s = time.monotonic()
    assert pass_once() == 0
    assert time.monotonic() - began_s > 10
    assert len(base.rows()) == 1


def test_without_a_link_all_waits_for_the_next_pass(base: Base, pass_once: Callable[..., int], old: None) -> None:
    """Exit code 3, and the sequences stay in the outbox."""
    put(base.folder / "DCIM", 0)
    base.broker.stop()
    assert pass_once("--for-s", "3") == 3
    outbox = Outbox(base.folder / "state" / "outbox")
    assert len(outbox.queries.waiting()) == 1
    outbox.close()
    base.broker.start()
    assert pass_once() == 0
    assert len(base.rows()) == 1


def test_a_base_station_that_gives_no_receipt_is_told_apart(
    base: Base, pass_once: Callable[..., int], old: None
) -> None:
    """Exit code 4, because there is a link."""
    put(base.folder / "DCIM", 0)
    base.collector.ingest.stop()
    assert pass_once("--for-s", "4") == 4


def test_a_pass_that_is_too_short_says_so(base: Base, pass_once: Callable[..., int]) -> None:
    """Exit code 5: the burst has not ended and is scored by the next pass."""
    put(base.folder / "DCIM", 0)
    assert pass_once("--for-s", "1") == 5
    assert base.rows() == []


def test_a_pass_needs_a_watched_folder(base: Base, pass_once: Callable[..., int], capsys: Any) -> None:
    """One clear line."""
    text = (base.folder / "trap.toml").read_text().replace("watched", "recorded")
    (base.folder / "trap.toml").write_text(text)
    assert pass_once() == 2
    assert "pass takes in a watched folder, got recorded" in capsys.readouterr().err


def test_a_bundle_proves_itself_once(
    base: Base, pass_once: Callable[..., int], old: None, monkeypatch: pytest.MonkeyPatch, eager_bundle: Path
) -> None:
    """The second pass does not run the probes again; the hashes of the members are still checked."""
    assert pass_once() == 0

    def refuse(self: Classifier) -> None:
        raise BundleError("proved again")

    monkeypatch.setattr(Classifier, "check_probes", refuse)
    assert pass_once() == 0
    monkeypatch.setattr(proofs, "_version", lambda package: "another one")
    assert pass_once() == 2
    monkeypatch.undo()
    damaged = base.folder / "damaged.uncia"
    content = bytearray(eager_bundle.read_bytes())
    content[len(content) // 2] ^= 1
    damaged.write_bytes(content)
    text = (base.folder / "trap.toml").read_text().replace(str(eager_bundle), str(damaged))
    (base.folder / "trap.toml").write_text(text)
    pass_once()
    assert any("damaged" in reason for reason in base.state().degraded)


@pytest.mark.parametrize("changed", ["bundle", "runtime", "processor", "library"])
def test_a_proof_holds_for_this_machine_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: str) -> None:
    """If bundle, runtime version, processor or the delegate's library changes, the probes are run again."""
    library = tmp_path / "libedge.so"
    library.write_bytes(b"one")
    Proofs(tmp_path).note("a" * 64, str(library))
    assert Proofs(tmp_path).holds("a" * 64, str(library))
    match changed:
        case "runtime":
            monkeypatch.setattr(proofs, "_version", lambda package: "9")
        case "processor":
            monkeypatch.setattr(proofs, "_processor", lambda: "another")
        case "library":
            library.write_bytes(b"two")
    assert not Proofs(tmp_path).holds("b" * 64 if changed == "bundle" else "a" * 64, str(library))


@pytest.mark.parametrize("rot", [b"", b"\0" * 30, b'{"a": 1}'])
def test_rotten_proofs_are_none(tmp_path: Path, rot: bytes) -> None:
    """The probes are run again."""
    (tmp_path / proofs.FILE).write_bytes(rot)
    assert not Proofs(tmp_path).holds("a" * 64, "")
    Proofs(tmp_path).note("a" * 64, "")
    assert Proofs(tmp_path).holds("a" * 64, "")
