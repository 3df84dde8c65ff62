"""A file whose time or name changes, or a copy of it, is the same picture and makes no second sequence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.edge.camera.test_passing_faults import Night, told

Change = Callable[[Path], object]


def newer(path: Path) -> None:
    """Change the modification time, as `scp -p` and FTP clients do after closing the file."""
    os.utime(path, (1_700_000_000, 1_700_000_000))


def renamed(path: Path) -> None:
    path.rename(path.with_name(f"IMG_X{path.name[5:]}"))


def renamed_and_newer(path: Path) -> None:
    newer(path.rename(path.with_name(f"IMG_X{path.name[5:]}")))


def copied(path: Path) -> None:
    shutil.copyfile(path, path.with_name(f"COPY{path.name[4:]}"))


CHANGES = pytest.mark.parametrize(
    "change", [newer, renamed, renamed_and_newer, copied], ids=["time", "name", "both", "copy"]
)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def frames(night: Night, until_s: float) -> list[int]:
    """How many frames each burst had."""
    seen = night.watch(until_s)
    return [len(one.frames) for one in seen]


@CHANGES
def test_it_changes_after_its_burst_was_decided(night: Night, change: Change) -> None:
    """There is no second sequence, neither while the trap runs nor after a restart."""
    paths = [night.frame(n) for n in range(4)]
    night.plan.append((60.0, lambda: [change(path) for path in paths]))
    assert frames(night, 120) == [4]
    assert frames(night, 60) == []


@CHANGES
def test_it_changes_while_nobody_watches(night: Night, change: Change) -> None:
    """The ledger keeps contents over a restart."""
    paths = [night.frame(n) for n in range(4)]
    assert frames(night, 60) == [4]
    for path in paths:
        change(path)
    assert frames(night, 60) == []


@pytest.mark.parametrize("change", [newer, renamed, copied], ids=["time", "name", "copy"])
def test_it_changes_while_its_burst_is_open(night: Night, change: Change) -> None:
    """The burst still has four frames, and none is named as a failure."""
    paths = [night.frame(n) for n in range(4)]
    real, changed = night.camera, list[bool]()

    def camera() -> object:
        live = real()
        due = live._assembler.due

        def first_change(*args: object) -> object:
            if len(live._assembler) == 4 and not changed:
                changed.append(True)
                for path in paths:
                    change(path)
                return iter(())
            return due(*args)  # type: ignore[arg-type]

        live._assembler.due = first_change  # type: ignore[assignment,method-assign]
        return live

    night.camera = camera  # type: ignore[method-assign,assignment]
    [(names, failures)] = told(night.watch(120))
    assert (len(names), failures) == (4, ())
    assert frames(night, 60) == []


def test_a_copy_that_comes_with_its_picture_is_not_counted(night: Night) -> None:
    """As on a card whose files a person sorted into folders."""
    for n in range(4):
        copied(night.frame(n))
    assert frames(night, 120) == [4]
    assert frames(night, 60) == []


@CHANGES
def test_it_changes_while_it_is_scored(night: Night, change: Change) -> None:
    """The bytes that were scored are remembered, whatever the file is called now."""
    paths = [night.frame(n) for n in range(4)]
    real = night.trap.observe

    def observe(burst: object) -> object:
        night.trap.observe = real  # type: ignore[method-assign]
        observation = real(burst)  # type: ignore[arg-type]
        for path in paths:
            change(path)
        return observation

    night.trap.observe = observe  # type: ignore[method-assign,assignment]
    assert frames(night, 120) == [4]
    assert frames(night, 60) == []


def test_other_bytes_under_the_same_name_are_a_new_picture(night: Night) -> None:
    """Even if they have the same size: cameras number files up to 9999 and start again."""
    path = night.frame(1)
    assert frames(night, 60) == [1]
    content = bytearray(path.read_bytes())
    at = content.index(b"2026:")
    content[at : at + 4] = b"2027"
    path.write_bytes(bytes(content))
    assert frames(night, 60) == [1]


def test_only_a_size_that_was_there_before_makes_a_file_be_read(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """When nothing on a card changed, the next start opens none of its files."""
    for n in range(30):
        night.frame(n, 100 * n)
    night.watch(400)
    opened: list[Path] = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a, **o: (opened.append(path), real(path, *a, **o))[1])
    assert frames(night, 30) == []
    assert [path for path in opened if path.suffix == ".JPG"] == []


@CHANGES
def test_it_changes_while_its_burst_waits_for_room(
    night: Night, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The burst is stored once, under the names that its files have at that time."""
    paths = [night.frame(n) for n in range(4)]
    real = night.trap._store
    refusals = ["the card is full"]
    monkeypatch.setattr(night.trap, "_store", lambda *args: refusals.pop() if refusals else real(*args))
    night.plan.append((20.0, lambda: [change(path) for path in paths]))
    [(names, failures)] = told(night.watch(200))
    assert (len(names), failures, len(night.outbox.queries.waiting())) == (4, (), 1)
    assert frames(night, 60) == []


def test_release_0_1_reads_what_it_knows_of_the_ledger(night: Night) -> None:
    """It skips lines of unknown kinds like damaged ones, and still knows every file that is done."""
    paths = [night.frame(n) for n in range(4)]
    night.watch(60)
    done, passed = set[str](), set[str]()
    for line in (night.state / "watched.jsonl").read_text().splitlines():
        kind, keys = json.loads(line)
        try:
            keys = tuple((str(name), int(size), int(modified)) for name, size, modified in keys)
        except ValueError:
            passed.add(kind)
            continue
        done |= {name for name, _, _ in keys if kind == "done"}
    assert (done, passed) == ({path.name for path in paths}, {"content"})
