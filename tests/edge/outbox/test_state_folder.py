"""A card that cannot be written at start: the trap keeps its state in memory and moves it back later."""

import errno
import shutil
from pathlib import Path

import pytest

from support.records import make_record, write_frames
from uncia_contract.errors import StorageError
from uncia_contract.files import write_durable
from uncia_edge.bundles import installed
from uncia_edge.bundles.keys import KEYS
from uncia_edge.bundles.loads import LOADS
from uncia_edge.bundles.releases import RELEASES
from uncia_edge.cli import broker_checks
from uncia_edge.cli.main import main
from uncia_edge.clock import NOTE
from uncia_edge.outbox.state_folder import OUTBOX, claimed, state_folder
from uncia_edge.outbox.store import Outbox
from uncia_edge.service import renewal
from uncia_edge.service.camera_signs import FILE
from uncia_edge.settings import TrapSettings, read_settings

EROFS = OSError(errno.EROFS, "Read-only file system")


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A state folder that cannot be created, because a file has its name."""
    (tmp_path / "card").write_text("in the way")
    return tmp_path / "card" / "state"


def repair(broken: Path) -> None:
    broken.parent.unlink()


def test_a_card_that_can_be_written_is_used(tmp_path: Path) -> None:
    """The file that was written to test it is removed."""
    used = state_folder(tmp_path / "state", {"RUNTIME_DIRECTORY": str(tmp_path / "run")})
    assert (used.path, used.trouble, list(used.path.iterdir())) == (tmp_path / "state", None, [])


def test_without_memory_a_bad_card_is_one_clear_line(broken: Path) -> None:
    """As on a desktop, without systemd."""
    with pytest.raises(StorageError, match=r"state .*: File exists; check that the card is writable"):
        state_folder(broken, {})


def test_with_memory_the_trap_goes_on_and_says_so(broken: Path, tmp_path: Path) -> None:
    """As under systemd."""
    used = state_folder(broken, {"RUNTIME_DIRECTORY": f"{tmp_path}/run:{tmp_path}/other"})
    assert (used.path, used.trouble) == (tmp_path / "run" / "state", "state kept in memory: File exists")


def test_what_waits_in_memory_moves_to_the_card_once(broken: Path, tmp_path: Path) -> None:
    """With its frames; then the folder in memory is removed."""
    environment = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    memory = Outbox(state_folder(broken, environment).path / OUTBOX)
    memory.add(make_record("s1", [b"x", b"y"]), write_frames(tmp_path / "spool", [b"x", b"y"]))
    memory.close()
    repair(broken)
    for _ in range(2):
        card = Outbox(state_folder(broken, environment).path / OUTBOX)
        assert card.queries.waiting() == ["s1"]
        assert [card.frame_path("s1", n).read_bytes() for n in range(2)] == [b"x", b"y"]
        card.close()
    assert not (tmp_path / "run" / "state").exists()
    shutil.rmtree(broken.parent)


def test_a_full_card_is_used_with_the_ballast_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its sequences are delivered from there; only without a ballast file does the trap change to memory."""
    state, ballast = tmp_path / "state", tmp_path / "state" / "outbox" / "ballast"
    ballast.parent.mkdir(parents=True)
    ballast.write_bytes(b"x")

    def write_bytes(path: Path, content: bytes) -> None:
        if path.is_relative_to(state) and ballast.exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        write_durable(path, content)

    monkeypatch.setattr("uncia_edge.outbox.state_folder.write_durable", write_bytes)
    used = state_folder(state, {"RUNTIME_DIRECTORY": str(tmp_path / "run")})
    assert (used.path, used.trouble, ballast.exists()) == (state, None, False)


def test_the_ledger_goes_with_the_trap_and_comes_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a read-only card, files handed over before do not come again, and neither do those handed over since."""
    state, environment = tmp_path / "state", {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    state.mkdir()
    (state / "watched.jsonl").write_text("before\n")

    def read_only(path: Path, content: bytes) -> None:
        if path.is_relative_to(state):
            raise OSError(errno.EROFS, "Read-only file system")
        write_durable(path, content)

    monkeypatch.setattr("uncia_edge.outbox.state_folder.write_durable", read_only)
    memory = state_folder(state, environment).path
    assert (memory / "watched.jsonl").read_text() == "before\n"
    (memory / "watched.jsonl").write_text("before\nsince\n")
    assert state_folder(state, environment).path == memory  # after a restart in memory, its ledger there is kept
    Outbox(memory / OUTBOX).close()
    monkeypatch.undo()
    assert state_folder(state, environment).path == state
    assert (state / "watched.jsonl").read_text() == "before\nsince\n"


@pytest.fixture
def closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> TrapSettings:
    """A trap whose state only the service may read."""

    def scan(folder: Path) -> None:
        raise PermissionError(13, "Permission denied")

    (tmp_path / "trap.toml").write_text('trap = "ridge-1"\nbundle = "b.uncia"\n')
    monkeypatch.setattr("os.scandir", scan)
    return read_settings(tmp_path / "trap.toml")


def test_a_test_sighting_that_may_not_be_asked_for_is_one_clear_line(
    closed: TrapSettings, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command cannot know whether the trap runs."""
    assert main(["try", "--config", str(tmp_path / "trap.toml")]) == 2
    assert f"state {closed.state}: Permission denied" in capsys.readouterr().err


def test_the_doctor_of_a_closed_state_connects_to_nobody(closed: TrapSettings) -> None:
    """The service may run, and a second connection with its id would end the service's connection."""
    [line] = broker_checks.lines(closed)
    assert (line.part, line.status, line.remedy) == ("connection", "failed", "run doctor as root")


@pytest.mark.parametrize(
    "name",
    [*(f"{installed.FOLDER}/{name}" for name in (installed.LAST_GOOD, KEYS, RELEASES, LOADS)),
     *(f"{renewal.FOLDER}/{name}" for name in (renewal.RENEWED, renewal.NEW_KEY)), NOTE, FILE],
)  # fmt: skip
def test_trust_identity_and_clock_go_with_the_trap_and_come_back(tmp_path: Path, name: str) -> None:
    """A card that cannot be written must not bring back a replaced key, a denied bundle or a revoked certificate."""
    environment, memory = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}, tmp_path / "run" / "state"
    (tmp_path / "good" / name).parent.mkdir(parents=True)
    (tmp_path / "good" / name).write_text("before")
    with pytest.MonkeyPatch.context() as card:
        card.setattr("uncia_edge.outbox.state_folder.refusal", lambda folder, _=0: None if folder == memory else EROFS)
        assert state_folder(tmp_path / "good", environment).path == memory
    assert (memory / name).read_text() == "before"
    (memory / name).write_text("since")
    Outbox(memory / OUTBOX).close()
    assert state_folder(tmp_path / "good", environment).path == tmp_path / "good"
    assert (tmp_path / "good" / name).read_text() == "since"


def test_a_card_without_room_for_what_waits_in_memory_is_not_used(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise the trap would move back, fail and restart again and again; with room it moves back."""
    environment, free = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}, [1000]
    memory = state_folder(broken, environment).path
    outbox = Outbox(memory / OUTBOX)
    outbox.add(make_record("s1", [b"x" * 2000]), write_frames(tmp_path / "spool", [b"x" * 2000]))
    outbox.close()
    repair(broken)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, free[0]))
    used = state_folder(broken, environment)
    assert (used.path, used.trouble) == (memory, "state kept in memory: No space left on device")
    free[0] = 10**9
    assert state_folder(broken, environment).path == broken


def test_a_card_that_fails_during_the_move_is_not_used(
    broken: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The trap goes on in memory, with all sequences that wait there."""
    environment = {"RUNTIME_DIRECTORY": str(tmp_path / "run")}
    memory = state_folder(broken, environment).path
    outbox = Outbox(memory / OUTBOX)
    outbox.add(make_record("s1", [b"x"]), write_frames(tmp_path / "spool", [b"x"]))
    outbox.close()
    repair(broken)

    def fail(*_: object, **__: object) -> None:
        raise StorageError("Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(Outbox, "add", fail)
        assert state_folder(broken, environment).path == memory
    card = Outbox(state_folder(broken, environment).path / OUTBOX)
    assert card.queries.waiting() == ["s1"]
    card.close()


def test_a_state_is_one_traps_at_a_time(tmp_path: Path) -> None:
    """A second trap beside the service gets an error; after the first has ended it can start."""
    state = tmp_path / "not made yet" / "state"
    with claimed(state), pytest.raises(StorageError, match="another trap works on it"), claimed(state):
        pass
    with claimed(state):
        pass


def test_a_state_folder_that_does_not_exist_is_not_locked(broken: Path) -> None:
    """`state_folder` reports it later."""
    with claimed(broken), claimed(broken):
        assert not broken.exists()


def test_a_second_run_beside_the_service_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one line, before it changes anything."""
    (tmp_path / "trap.toml").write_text(f'trap = "ridge-01"\nbundle = "none.uncia"\nstate = "{tmp_path / "state"}"\n')
    with claimed(tmp_path / "state"):
        assert main(["run", "--config", str(tmp_path / "trap.toml")]) == 2
    assert "another trap works on it" in capsys.readouterr().err
    assert list((tmp_path / "state").iterdir()) == []
