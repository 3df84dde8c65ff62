"""Files are written whole or not at all; durable ones survive a power cut."""

import errno
import os
import stat
from pathlib import Path

import pytest

from support.full_disk import fill_disk
from uncia_contract.errors import StorageError
from uncia_contract.files import make_folder, private_files, replacing, storage_errors, write_atomic, write_durable

WRITERS = pytest.mark.parametrize("write", [write_atomic, write_durable])


@pytest.fixture
def synced(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files and folders (with a slash) that were fsynced, in order."""
    calls: list[str] = []

    def fsync(descriptor: int) -> None:
        place = Path(f"/proc/self/fd/{descriptor}").readlink()
        calls.append(place.name if stat.S_ISREG(os.fstat(descriptor).st_mode) else f"{place.name}/")

    monkeypatch.setattr("os.fsync", fsync)
    return calls


def full_disk(descriptor: int) -> None:
    raise OSError(errno.ENOSPC, "No space left on device")


@WRITERS
def test_a_file_replaces_the_former_one(tmp_path: Path, write) -> None:
    """No other file is left beside it, and its mode is that of a plain `open`."""
    (tmp_path / "plain").touch()
    (tmp_path / "a.json").write_bytes(b"a long one from before")
    write(tmp_path / "a.json", b"new")
    assert (tmp_path / "a.json").read_bytes() == b"new"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "plain"]
    assert (tmp_path / "a.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


@WRITERS
def test_a_full_disk_leaves_the_former_file(tmp_path: Path, write, monkeypatch: pytest.MonkeyPatch) -> None:
    """No temporary file is left; the error is the operating system's."""
    (tmp_path / "a.json").write_bytes(b"before")
    fill_disk(monkeypatch, tmp_path)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "a.json", b"new")
    monkeypatch.undo()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"before"}


def test_a_failed_fsync_leaves_the_former_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The new bytes are not safe, so the file is not renamed."""
    (tmp_path / "a.json").write_bytes(b"before")
    monkeypatch.setattr("os.fsync", full_disk)
    with pytest.raises(OSError, match="No space left"):
        write_durable(tmp_path / "a.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"before"}


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt])
def test_an_error_of_the_writer_leaves_nothing(tmp_path: Path, error: type[BaseException]) -> None:
    """A block that fails after half of its bytes; also by Ctrl-C."""

    def half() -> None:
        with replacing(tmp_path / "a.csv") as stream:
            stream.write(b"half")
            raise error

    with pytest.raises(error):
        half()
    assert list(tmp_path.iterdir()) == []


def test_a_durable_file_is_fsynced_before_its_name_and_its_folder_after(tmp_path: Path, synced: list[str]) -> None:
    """First the file under its temporary name, then the folder that holds the final name."""
    write_durable(tmp_path / "a.json", b"x")
    assert synced == ["a.json.tmp", f"{tmp_path.name}/"]


def test_an_atomic_file_costs_no_fsync(tmp_path: Path, synced: list[str]) -> None:
    """Exports and caches can be written again after a power cut."""
    write_atomic(tmp_path / "a.json", b"x")
    assert synced == []


def test_many_durable_files_share_the_fsync_of_their_folder(tmp_path: Path, synced: list[str]) -> None:
    """`replacing` fsyncs the file; the caller fsyncs the folder."""
    with replacing(tmp_path / "a.jpg", ".part7", fsync=True) as stream:
        stream.write(b"x")
    assert synced == ["a.jpg.part7"]


def test_the_leftover_of_a_killed_process_is_replaced(tmp_path: Path) -> None:
    """Bytes of a longer leftover under the same temporary name are not in the new file."""
    (tmp_path / "a.json.tmp").write_bytes(b"left by a process that was killed")
    write_atomic(tmp_path / "a.json", b"new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.json": b"new"}


def test_two_writers_of_one_file_do_not_mix_their_bytes(tmp_path: Path) -> None:
    """With a suffix each, the file is whole at every moment; at the end it is the one renamed last."""
    with replacing(tmp_path / "a.jpg", ".1.part") as first:
        first.write(b"first")
        write_atomic(tmp_path / "a.jpg", b"second", ".2.part")
        assert (tmp_path / "a.jpg").read_bytes() == b"second"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == {"a.jpg": b"first"}


def test_a_folder_is_made_with_its_parents_durably(tmp_path: Path, synced: list[str]) -> None:
    """Each new entry's folder is fsynced; one that exists costs nothing."""
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert (tmp_path / "a" / "b").is_dir() and synced == [f"{tmp_path.name}/", "a/"]


def test_a_storage_error_names_place_reason_and_advice() -> None:
    """One line, for the user."""
    with pytest.raises(StorageError) as caught, storage_errors(Path("x.csv"), "; give another --out"):
        full_disk(0)
    assert str(caught.value) == "x.csv: cannot be written (No space left on device); give another --out"


def test_files_are_private_within_the_block(tmp_path: Path) -> None:
    """After the block the former umask holds."""
    before = os.umask(0)
    with private_files():
        (tmp_path / "private").touch()
        (tmp_path / "folder").mkdir()
    (tmp_path / "open").touch()
    os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o077 for name in ("private", "folder", "open")] == [0, 0, 0o066]
