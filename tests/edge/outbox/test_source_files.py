"""Files of other programs: which copies are trusted without reading them again, and which are not."""

import hashlib
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import BinaryIO

import pytest
from tests.edge.scene import WatchedTrap, jpeg, slope

from uncia_edge.outbox import frame_files, source_files
from uncia_edge.scoring.observer import Observation


class Watching:
    """A trap with a watched burst of two frames; it counts how often the outbox read a copy."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, after_scoring: Callable[[Path], None] | None = None):
        self.post, self.read_again = WatchedTrap(folder), 0
        self.paths = [self.post.put(f"IMG_{n}.JPG", jpeg(taken=f"2026:05:01 04:00:0{n}")) for n in range(2)]
        real_digest, real_copy = frame_files.Staging.sha256, frame_files.Staging.copy

        def digest(staging: frame_files.Staging, path: Path) -> str:
            self.read_again += 1
            return real_digest(staging, path)

        def copy(staging: frame_files.Staging, source: Path, path: Path) -> None:
            if after_scoring is not None and source == self.paths[0]:
                after_scoring(source)
            real_copy(staging, source, path)

        patch.setattr(frame_files.Staging, "sha256", digest)
        patch.setattr(frame_files.Staging, "copy", copy)

    def observe(self) -> Observation:
        return self.post.observe(most=1)[0]

    def kept(self, seen: Observation) -> list[bytes]:
        assert seen.record is not None
        return [self.post.outbox.frame_path(seen.record.id, n).read_bytes() for n in range(2)]


@pytest.fixture
def settled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source_files, "SETTLED_S", -1.0)


@pytest.mark.usefixtures("settled")
def test_an_unchanged_file_is_copied_and_not_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size, times and inode are the same as before it was scored."""
    watching = Watching(tmp_path, monkeypatch)
    seen = watching.observe()
    assert (seen.safe, watching.read_again) == (True, 0)
    assert watching.kept(seen) == [path.read_bytes() for path in watching.paths]


def test_a_file_that_was_only_just_written_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another change could leave the same modification time."""
    watching = Watching(tmp_path, monkeypatch)
    assert (watching.observe().safe, watching.read_again) == (True, 2)


@pytest.mark.usefixtures("settled")
def test_bytes_that_changed_under_the_same_size_and_time_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Written to after scoring, with the modification time set back: nothing is stored, the burst comes again."""

    def disguised(path: Path) -> None:
        about = path.stat()
        with path.open("r+b") as stream:
            stream.seek(-20, os.SEEK_END)
            stream.write(b"something else")
        os.utime(path, ns=(about.st_atime_ns, about.st_mtime_ns))

    watching = Watching(tmp_path, monkeypatch, disguised)
    seen = watching.observe()
    assert not seen.safe
    assert "was written into after it had been scored" in (seen.problem or "")
    assert watching.post.outbox.queries.waiting() == []


@pytest.mark.usefixtures("settled")
def test_a_file_whose_name_alone_changed_is_read_again_and_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second link or a new mode changes the inode's time but not the bytes."""
    watching = Watching(tmp_path, monkeypatch, lambda path: path.chmod(0o600))
    assert (watching.observe().safe, watching.read_again) == (True, 1)


@pytest.mark.usefixtures("settled")
def test_a_file_that_another_replaced_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A camera restarts its file numbers."""

    def replaced(path: Path) -> None:
        new = path.with_suffix(".new")
        new.write_bytes(path.read_bytes()[:-2] + b"zz")
        new.rename(path)

    assert not Watching(tmp_path, monkeypatch, replaced).observe().safe


@pytest.mark.usefixtures("settled")
def test_signs_of_another_file_system_prove_nothing(tmp_path: Path) -> None:
    """Another machine may set the times on a share, so copies from there are read again."""
    path = tmp_path / "a.jpg"
    path.write_bytes(b"x")
    stream, original = source_files.open_original(path)
    stream.close()
    assert original.sign.holds(path, tmp_path)
    assert not original.sign.holds(path, Path("/proc"))


@pytest.mark.parametrize(("settled_s", "sums"), [(-1.0, 1), (3.0, 2)], ids=["rests", "only just written"])
def test_an_unchanged_file_is_hashed_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settled_s: float, sums: int
) -> None:
    """A frame may be opened twice; on a small machine hashing 5 MB takes half as long as decoding."""
    count, real = [], hashlib.file_digest
    monkeypatch.setattr(source_files, "SETTLED_S", settled_s)
    summing = SimpleNamespace(file_digest=lambda *given: count.append(1) or real(*given))
    monkeypatch.setattr(source_files, "hashlib", summing)
    Rereading(tmp_path, monkeypatch, lambda path: None).post.observe(most=1)
    assert len(count) == sums


class Rereading:
    """A trap that reads each picture twice; `between` is called with the file before the second time."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch, between: Callable[[Path], None]) -> None:
        patch.setattr("uncia_edge.camera.watched.RETRY_S", 0.0)
        patch.setattr("uncia_contract.scoring.burst_decoder.SHARED_BYTES", 0)
        patch.setattr("uncia_edge.scoring.observer.open_original", self.read)
        self.post, self.reads, self.between = WatchedTrap(folder), 0, between
        self.path = self.post.put("IMG_1.JPG", jpeg())

    def read(self, path: Path, known: source_files.Original | None) -> tuple[BinaryIO, source_files.Original]:
        self.reads += 1
        if self.reads == 2:
            self.between(path)
        return source_files.open_original(path, known)


def test_what_is_recorded_is_what_was_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not the bytes that the file had when its thumbnail was made."""
    other = jpeg(slope(6))
    world = Rereading(tmp_path, monkeypatch, lambda path: path.write_bytes(other) and None)
    [seen] = world.post.observe(most=1)
    assert seen.record is not None
    assert (world.reads, seen.record.frames[0].sha256) == (2, hashlib.sha256(other).hexdigest())


@pytest.mark.parametrize("cut", [0, 700], ids=["empty", "truncated"])
def test_a_file_that_is_spoilt_while_its_burst_is_scored_does_not_end_the_trap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cut: int
) -> None:
    """The burst is handed over again, with the file as a failure."""
    world = Rereading(tmp_path, monkeypatch, lambda path: path.write_bytes(jpeg()[:cut]) and None)
    seen = world.post.observe(most=2)
    assert [one.safe for one in seen] == [False, True]
    assert seen[1].record is None


def test_a_card_that_is_pulled_while_a_burst_is_scored_does_not_end_the_trap(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The burst is handed over again, with its files named as gone."""
    world = Rereading(tmp_path, monkeypatch, Path.unlink)
    seen = world.post.observe(most=2)
    assert [one.safe for one in seen] == [False, True]
    assert ["No such file" in failure.reason for failure in seen[1].failures] == [True]
