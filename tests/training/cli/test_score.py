"""`uncia-train score` sorts an archive: the same verdicts as the trap, resumable, originals untouched."""

import csv
import io
import itertools
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.console import Console
from tests.contract.pictures.render_times import photographed

from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_edge.cli.main import main as trap_main
from uncia_training.archive.score_results import picture_of_row, score_row, write_parquet
from uncia_training.archive.sorting import Sorting, verdict_folder
from uncia_training.cli.main import main
from uncia_training.cli.progress import make_bars, reporter

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import STARTER, archive, state

PROGRAM = [sys.executable, "-c", "import sys; from uncia_training.cli.main import main; sys.exit(main())"]


def arguments(folder: Path, out: Path, *more: str) -> list[str]:
    """The command's arguments."""
    return ["score", str(folder), "--bundle", str(STARTER), "--out", str(out), *more]


def table(out: Path) -> list[dict[str, str]]:
    """The rows of the CSV."""
    return list(csv.DictReader(io.StringIO((out / "scores.csv").read_text())))


def test_three_files_have_the_same_results(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """CSV, MegaDetector JSON and Parquet list every picture in one order; the broken one has a failure."""
    parquet = pytest.importorskip("pyarrow.parquet")
    assert main(arguments(archive(tmp_path / "a"), tmp_path / "out")) == 0
    files = [row["file"] for row in table(tmp_path / "out")]
    images = json.loads((tmp_path / "out/scores.json").read_text())["images"]
    rows = parquet.read_table(tmp_path / "out/scores.parquet").to_pylist()
    failed = [row["file"] for row in rows if row["failure"]]
    assert files == [image["file"] for image in images] == [row["file"] for row in rows]
    assert (len(files), failed) == (19, ["pass/DCIM/100MEDIA/IMG_9999.JPG"])
    assert "19 pictures in 6 sequences: 0 in positive sequences, 1 unreadable; 19 scored" in capsys.readouterr().out


def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The exit code is 1."""
    folder, scandir = archive(tmp_path / "a", 1), os.scandir

    def scan(path: Path) -> object:
        if Path(path) == folder / "ridge":
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert (main(arguments(folder, tmp_path / "out")), len(table(tmp_path / "out"))) == (1, 4)
    assert f"{folder}/ridge: cannot be read (Input/output error)" in capsys.readouterr().err


def test_a_folder_that_fails_after_the_count_is_named_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It could be listed for the count, but not for the scoring."""
    folder, scandir, listed = archive(tmp_path / "a", 1), os.scandir, list[Path]()

    def scan(path: Path) -> object:
        listed.append(Path(path))
        if listed.count(folder / "ridge/DCIM/100MEDIA") > 2:
            raise OSError(5, "Input/output error")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", scan)
    assert (main(arguments(folder, tmp_path / "out")), len(table(tmp_path / "out"))) == (1, 4)
    assert capsys.readouterr().err.count(f"{folder}/ridge/DCIM/100MEDIA: cannot be read (Input/output error)") == 1


def test_a_damaged_picture_is_scored_and_marked(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By both commands: in all files, by name and in the sum; the other pictures of its sequence are not marked."""
    parquet = pytest.importorskip("pyarrow.parquet")
    folder = archive(tmp_path / "a", bursts=1)
    broken = sorted((folder / "ridge").rglob("*.JPG"))[0]
    content = broken.read_bytes()
    broken.write_bytes(content[: len(content) * 3 // 4] + b"\x12\xff\xd9")
    name = broken.relative_to(folder).as_posix()
    assert main(arguments(folder, tmp_path / "out")) == 0
    assert f"{name}: damaged, but scored (grey where data end early" in (told := capsys.readouterr()).err
    assert "1 pictures are damaged, but were scored" in told.out
    images = json.loads((tmp_path / "out/scores.json").read_text())["images"]
    rows = parquet.read_table(tmp_path / "out/scores.parquet").to_pylist()
    for marked in (table(tmp_path / "out"), images, rows):
        assert [row["file"] for row in marked if row.get("damaged")] == [name]
    assert [row["failure"] for row in table(tmp_path / "out") if row["file"] == name] == [""]
    assert trap_main(["score", str(folder), "--bundle", str(STARTER), "--json", str(tmp_path / "t.json")]) == 0
    assert (told := capsys.readouterr()).out.count("1 damaged") == 1 and f"{name}: damaged" in told.err


def test_megadetectors_own_validator_accepts_the_file(tmp_path: Path) -> None:
    """So Timelapse opens it; every file that it names exists."""
    validator = pytest.importorskip("megadetector.postprocessing.validate_batch_results")
    folder = archive(tmp_path / "a", bursts=1)
    assert main(arguments(folder, tmp_path / "out", "--write", "json")) == 0
    options = validator.ValidateBatchResultsOptions()
    options.check_image_existence, options.relative_path_base = True, str(folder)
    found = validator.validate_batch_results(str(tmp_path / "out/scores.json"), options)["validation_results"]
    assert (found["errors"], found["warnings"]) == ([], [])


def test_verdicts_are_the_traps_own(shared: Path, tmp_path: Path) -> None:
    """Real bursts with regions: `uncia-trap score` gives the same verdict for every picture."""
    bursts = shared / "data" / "bursts"
    assert main(arguments(bursts, tmp_path / "out", "--write", "json,csv")) == 0
    assert trap_main(["score", str(bursts), "--bundle", str(STARTER), "--json", str(tmp_path / "trap.json")]) == 0
    ours = {image["file"]: image for image in json.loads((tmp_path / "out/scores.json").read_text())["images"]}
    traps = {image["file"]: image for image in json.loads((tmp_path / "trap.json").read_text())["images"]}
    regions = [row for row in table(tmp_path / "out") if row["width"]]
    assert (ours == traps, len(ours), len(regions) >= 10) == (True, 59, True)
    positive = {row["file"].split("/")[0] for row in table(tmp_path / "out") if row["positive"] == "true"}
    assert positive == {"wakhan"}


@pytest.mark.parametrize("by", ["link", "copy"])
def test_originals_are_never_touched(tmp_path: Path, by: str) -> None:
    """Hash, time, mode and number of names are as before; no file is added beside them."""
    folder = archive(tmp_path / "a", bursts=1)
    before = state(folder)
    more = ("--sort-into", str(tmp_path / "sorted"), "--sort-by", by)
    assert main(arguments(folder, tmp_path / "out", *more)) == 0
    there = list((tmp_path / "sorted").rglob("*.JPG"))
    same = [path.read_bytes() == (folder / path.relative_to(tmp_path / "sorted/other")).read_bytes()
            for path in there if "unreadable" not in path.parts]  # fmt: skip
    assert state(folder) == before
    assert (len(there), all(same), {path.is_symlink() for path in there}) == (7, True, {by == "link"})


def test_pictures_are_sorted_by_verdict() -> None:
    """#1 of sorting."""
    pictures = [
        ScoredPicture("1.jpg", "snow_leopard", 0.1, positive=True),
        ScoredPicture("2.jpg", "snow_leopard", positive=False),
        ScoredPicture("3.jpg", failure="truncated"),
    ]
    assert [verdict_folder(picture) for picture in pictures] == ["snow_leopard", "other", "unreadable"]


def test_a_sorting_made_twice_is_the_same_and_another_bundles_is_refused(tmp_path: Path) -> None:
    """#3 of sorting."""
    folder = archive(tmp_path / "a", bursts=1)
    for _ in range(2):
        assert Sorting(folder, tmp_path / "s", "link", "bundle 1").add([ScoredPicture("pass/1.jpg")]) == 1
    with pytest.raises(ValueError, match="empty folder"):
        Sorting(folder, tmp_path / "s", "link", "bundle 2")


def run_until_begun(folder: Path, out: Path, stop: signal.Signals) -> tuple[int, str]:
    """Starts the program, stops it when it has scored something; its exit code and output."""
    program = subprocess.Popen([*PROGRAM, *arguments(folder, out)], stderr=subprocess.PIPE, text=True)
    log = out / "scored.jsonl"
    deadline = time.monotonic() + 60
    while not (log.exists() and log.read_bytes().count(b"\n") > 1):
        assert program.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    program.send_signal(stop)
    said = program.communicate(timeout=60)[1]
    return program.returncode, said


@pytest.mark.heavy
@pytest.mark.parametrize(("stop", "code"), [(signal.SIGINT, 130), (signal.SIGKILL, -9)], ids=["Ctrl-C", "kill -9"])
def test_a_stopped_run_continues(
    tmp_path: Path, stop: signal.Signals, code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """Only the rest is scored; the results equal those of a run that was not stopped."""
    folder = archive(tmp_path / "a", bursts=20)
    given, said = run_until_begun(folder, tmp_path / "out", stop)
    log = (tmp_path / "out/scored.jsonl").read_bytes()
    kept = log[: log.rindex(b"\n")].count(b'"file"')
    assert (given, "same command again" in said) == (code, stop == signal.SIGINT)
    assert 0 < kept < 121 and not (tmp_path / "out/scores.csv").exists()
    assert main(arguments(folder, tmp_path / "out")) == 0
    now = int(capsys.readouterr().out.split(" scored now")[0].split()[-1])
    assert now <= 121 - kept
    assert main(arguments(folder, tmp_path / "whole")) == 0
    assert table(tmp_path / "out") == table(tmp_path / "whole")


def test_only_the_sequence_of_a_new_picture_is_scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A second run scores only the changed sequence."""
    folder = archive(tmp_path / "a", bursts=2)
    assert main(arguments(folder, tmp_path / "out")) == 0
    (folder / "ridge/DCIM/100MEDIA/IMG_0005.JPG").unlink()
    capsys.readouterr()
    assert main(arguments(folder, tmp_path / "out")) == 0
    assert "12 pictures in 4 sequences: 0 in positive sequences, 1 unreadable; 2 scored now" in capsys.readouterr().out


@pytest.mark.heavy
def test_rate_and_time_left_are_on_screen(tmp_path: Path) -> None:
    """On a terminal: done of total, pictures a second, and the time left."""
    folder = archive(tmp_path / "a", bursts=20)
    screen, terminal = pty.openpty()
    environment = os.environ | {"TERM": "xterm", "COLUMNS": "120"}
    program = subprocess.Popen(
        [*PROGRAM, *arguments(folder, tmp_path / "out", "--workers", "1")],
        stderr=terminal, stdout=subprocess.DEVNULL, env=environment,
    )  # fmt: skip
    os.close(terminal)
    shown = _everything(screen)
    program.wait(60)
    assert "pictures" in shown and "/121" in shown and "/s" in shown and "0:00:0" in shown


def shown_at(monkeypatch: pytest.MonkeyPatch, step_s: float, counts: list[int]) -> list[str]:
    """The lines on a terminal of 80 columns, after each of these counts of a million pictures."""
    screen, clock = io.StringIO(), itertools.count()
    monkeypatch.setattr(
        "uncia_training.cli.progress.Console", lambda **_: Console(file=screen, force_terminal=True, width=80)
    )
    bars = make_bars()
    bars.get_time = lambda: next(clock) * step_s
    tell = reporter(bars)
    for done in counts:
        tell("pictures", done, 1_000_000)
    bars.console.print(bars)
    return [line.rstrip() for line in re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", screen.getvalue()).splitlines()]


def test_a_million_pictures_fit_on_eighty_columns(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with done of total, pictures a second and time left; nothing is cut off."""
    lines = shown_at(monkeypatch, 2.0, [0, 104_000, 208_000])
    assert len(lines) == 1 and len(lines[0]) <= 80, lines
    assert re.search(r"^pictures ━.* +208000/1000000 \d+\.\d/s \d+:\d\d:\d\d$", lines[0]), lines


def test_no_rate_is_shown_in_the_first_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """Results come in groups, so the first rate would be far too high."""
    (line,) = shown_at(monkeypatch, 0.01, [0, 1, 8])
    assert "8/1000000" in line and "/s" not in line


def _everything(descriptor: int) -> str:
    parts = []
    try:
        while part := os.read(descriptor, 65536):
            parts.append(part)
    except OSError:  # a terminal's end
        pass
    os.close(descriptor)
    return b"".join(parts).decode(errors="replace")


def _no_bundle(folder: Path) -> list[str]:
    (folder / "no.uncia").write_bytes(b"nothing")
    return ["score", str(archive(folder / "a", 1)), "--bundle", str(folder / "no.uncia"), "--out", str(folder / "out")]


def _empty(folder: Path) -> list[str]:
    (folder / "a").mkdir()
    return arguments(folder / "a", folder / "out")


@pytest.mark.heavy
def test_scoring_needs_no_tensorflow_and_no_scikit_learn(tmp_path: Path) -> None:
    """A cluster needs only a small package: the program runs where they cannot be imported."""
    folder = archive(tmp_path / "a", bursts=1)
    blocked = "import sys; sys.modules.update(dict.fromkeys(['tensorflow','keras','sklearn','scipy','matplotlib']))"
    program = [sys.executable, "-c", f"{blocked}; from uncia_training.cli.main import main; sys.exit(main())"]
    subprocess.run([*program, *arguments(folder, tmp_path / "out")], check=True, capture_output=True)
    features = ["features", "--archive", str(folder), "--bundle", str(STARTER), "--out", str(tmp_path / "f.parquet")]
    subprocess.run([*program, *features], check=True, capture_output=True)


MISTAKES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "missing archive": (lambda folder: arguments(folder / "none", folder / "out"), "none: not there; expected"),
    "empty archive": (_empty, "a: no pictures; expected"),
    "not a bundle": (_no_bundle, "no.uncia: not a bundle"),
    "sorting into the archive": (
        lambda folder: arguments(archive(folder / "a", 1), folder / "out", "--sort-into", str(folder / "a/sorted")),
        "lies in the archive",
    ),
    "an unknown format": (
        lambda folder: arguments(archive(folder / "a", 1), folder / "out", "--write", "xlsx"),
        "--write xlsx: expected some of csv,json,parquet",
    ),
    "an address for CSV": (
        lambda folder: arguments(archive(folder / "a", 1), Path("s3:"), "--out", "s3://bucket/x"),
        "only --engine spark --write parquet writes to an address",
    ),
    "impossible strips": (
        lambda folder: arguments(archive(folder / "a", 1), folder / "out", "--strips", "0.6,0.5"),
        "leave something between them",
    ),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, no traceback, and the archive as before."""
    make, message = MISTAKES[mistake]
    code = main(make(tmp_path))
    said = capsys.readouterr().err
    assert (code, said.count("\n"), message in said) == (2, 1, True)


def test_a_row_gives_the_same_picture_back(tmp_path: Path) -> None:
    """Parquet keeps every field of a scored picture."""
    parquet = pytest.importorskip("pyarrow.parquet")
    pictures = [ScoredPicture("1.jpg", "x", 0.5, (0.1, 0.2, 0.3, 0.4), positive=True), ScoredPicture("2.jpg")]
    pictures += [ScoredPicture("3.jpg", "prey", 0.75, probabilities={"prey": 0.5, "snow_leopard": 0.25})]
    write_parquet(tmp_path / "p", pictures)
    assert [picture_of_row(row) for row in parquet.read_table(tmp_path / "p").to_pylist()] == pictures
    assert score_row(pictures[0])["left"] == 0.1


@pytest.mark.parametrize(
    ("given", "told"),
    [([], "2026-01-14T03:43:01"), (["--utc-offset", "5"], "2026-01-13T22:43:01+00:00"),
     (["--utc-offset", "Asia/Dushanbe"], "2026-01-13T22:43:01+00:00")],
    ids=["unknown", "hours", "name"],
)  # fmt: skip
def test_times_are_in_utc_if_the_zone_is_given_and_else_have_no_zone(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], given: list[str], told: str
) -> None:
    """In all three files; the output names it. For another zone the folder is scored again."""
    parquet = pytest.importorskip("pyarrow.parquet")
    (tmp_path / "a").mkdir()
    (tmp_path / "a/IMG_0001.JPG").write_bytes(photographed({0x9003: "2026:01:14 03:43:01"}))
    for more in ([], given):
        assert main(arguments(tmp_path / "a", tmp_path / "out", *more)) == 0
    image = json.loads((tmp_path / "out/scores.json").read_text())["images"][0]["datetime"]
    [row] = parquet.read_table(tmp_path / "out/scores.parquet").to_pylist()
    assert (table(tmp_path / "out")[0]["datetime"], image, row["datetime"].isoformat()) == (told, told, told)
    assert capsys.readouterr().out.count("1 times have no zone") == (1 if given else 2)
