"""A file whose time or name changes, or a copy of it, is the same picture and makes no second sequence."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.edge.camera.test_passing_faults import TimedTrap, told

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
def timed(tmp_path: Path) -> TimedTrap:
    return TimedTrap(tmp_path)


def frames(timed: TimedTrap, until_s: float) -> list[int]:
    """How many frames each burst had."""
    seen = timed.watch(until_s)
    return [len(one.frames) for one in seen]


@CHANGES
def test_it_changes_after_its_burst_was_decided(timed: TimedTrap, change: Change) -> None:
    """There is no second sequence, neither while the trap runs nor after a restart."""
    paths = [timed.frame(n) for n in range(4)]
    timed.plan.append((60.0, lambda: [change(path) for path in paths]))
    assert frames(timed, 120) == [4]
    assert frames(timed, 60) == []


@CHANGES
def test_it_changes_while_nobody_watches(timed: TimedTrap, change: Change) -> None:
    """The ledger keeps contents over a restart."""
    paths = [timed.frame(n) for n in range(4)]
    assert frames(timed, 60) == [4]
    for path in paths:
        change(path)
    assert frames(timed, 60) == []


@pytest.mark.parametrize("change", [newer, renamed, copied], ids=["time", "name", "copy"])
def test_it_changes_while_its_burst_is_open(timed: TimedTrap, change: Change) -> None:
    """The burst still has four frames, and none is named as a failure."""
    paths = [timed.frame(n) for n in range(4)]
    real, changed = timed.camera, list[bool]()

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

    timed.camera = camera  # type: ignore[method-assign,assignment]
    [(names, failures)] = told(timed.watch(120))
    assert (len(names), failures) == (4, ())
    assert frames(timed, 60) == []


def test_a_copy_that_comes_with_its_picture_is_not_counted(timed: TimedTrap) -> None:
    """As on a card whose files a person sorted into folders."""
    for n in range(4):
        copied(timed.frame(n))
    assert frames(timed, 120) == [4]
    assert frames(timed, 60) == []


@CHANGES
def test_it_changes_while_it_is_scored(timed: TimedTrap, change: Change) -> None:
    """The bytes that were scored are remembered, whatever the file is called now."""
    paths = [timed.frame(n) for n in range(4)]
    real = timed.trap.observe

    def observe(burst: object) -> object:
        timed.trap.observe = real  # type: ignore[method-assign]
        observation = real(burst)  # type: ignore[arg-type]
        for path in paths:
            change(path)
        return observation

    timed.trap.observe = observe  # type: ignore[method-assign,assignment]
    assert frames(timed, 120) == [4]
    assert frames(timed, 60) == []


def test_other_bytes_under_the_same_name_are_a_new_picture(timed: TimedTrap) -> None:
    """Even if they have the same size: cameras number files up to 9999 and start again."""
    path = timed.frame(1)
    assert frames(timed, 60) == [1]
    content = bytearray(path.read_bytes())
    at = content.index(b"2026:")
    content[at : at + 4] = b"2027"
    path.write_bytes(bytes(content))
    assert frames(timed, 60) == [1]


def test_only_a_size_that_was_there_before_makes_a_file_be_read(
    timed: TimedTrap, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When nothing on a card changed, the next start opens none of its files."""
    for n in range(30):
        timed.frame(n, 100 * n)
    timed.watch(400)
    opened: list[Path] = []
    real = Path.open
    monkeypatch.setattr(Path, "open", lambda path, *a, **o: (opened.append(path), real(path, *a, **o))[1])
    assert frames(timed, 30) == []
    assert [path for path in opened if path.suffix == ".JPG"] == []


@CHANGES
def test_it_changes_while_its_burst_waits_for_room(
    timed: TimedTrap, change: Change, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The burst is stored once, under the names that its files have at that time."""
    paths = [timed.frame(n) for n in range(4)]
    real = timed.trap._store
    refusals = ["the card is full"]
    monkeypatch.setattr(timed.trap, "_store", lambda *args: refusals.pop() if refusals else real(*args))
    timed.plan.append((20.0, lambda: [change(path) for path in paths]))
    [(names, failures)] = told(timed.watch(200))
    assert (len(names), failures, len(timed.outbox.queries.waiting())) == (4, (), 1)
    assert frames(timed, 60) == []


def test_release_0_1_reads_what_it_knows_of_the_ledger(timed: TimedTrap) -> None:
    """It skips lines of unknown kinds like damaged ones, and still knows every file that is done."""
    paths = [timed.frame(n) for n in range(4)]
    timed.watch(60)
    done, passed = set[str](), set[str]()
    for line in (timed.state / "watched.jsonl").read_text().splitlines():
        kind, keys = json.loads(line)
        try:
            keys = tuple((str(name), int(size), int(modified)) for name, size, modified in keys)
        except ValueError:
            passed.add(kind)
            continue
        done |= {name for name, _, _ in keys if kind == "done"}
    assert (done, passed) == ({path.name for path in paths}, {"content"})
