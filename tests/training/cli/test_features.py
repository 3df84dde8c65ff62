"""`uncia-train features` writes the trap's own features as Parquet, and computes each only once."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_training.cli.main import main
from uncia_training.parallel import ITEMS_PER_WORKER, parallel_map

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import STARTER, archive, picture, state

parquet, fs = pytest.importorskip("pyarrow.parquet"), pytest.importorskip("pyarrow.fs")
PROGRAM = [sys.executable, "-c", "import sys; from uncia_training.cli.main import main; sys.exit(main())"]


def arguments(folder: Path | str, out: Path, *more: str) -> list[str]:
    """The command's arguments."""
    return ["features", "--archive", str(folder), "--bundle", str(STARTER), "--out", str(out / "f.parquet"), *more]


def rows(out: Path) -> list[dict[str, Any]]:
    """The rows of the Parquet file."""
    found: list[dict[str, Any]] = parquet.read_table(out / "f.parquet").to_pylist()
    return found


def test_features_are_the_traps_own_to_the_bit(shared: Path, tmp_path: Path) -> None:
    """On real bursts: whole pictures and the regions found in the burst."""
    bursts = shared / "data" / "bursts" / "wakhan"
    assert main(arguments(bursts, tmp_path)) == 0
    found, trap = rows(tmp_path), Classifier(read_bundle(STARTER))
    assert {row["view"] for row in found} == {"whole", "region"}
    for row in found:
        box = (row["left"], row["top"], row["width"], row["height"])
        region = Region(*box) if row["view"] == "region" else None
        image = model_input((bursts / row["file"]).read_bytes(), trap.manifest.input_size, region)
        assert np.array_equal(np.float32(row["features"]), trap.features(image))


def test_a_second_run_computes_nothing_and_a_renamed_picture_is_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Features are found by content; the originals do not change."""
    folder = archive(tmp_path / "a", bursts=2)
    before = state(folder)
    assert main(arguments(folder, tmp_path)) == 0
    first = rows(tmp_path)
    assert (state(folder) == before, main(arguments(folder, tmp_path)), rows(tmp_path) == first) == (True, 0, True)
    (folder / "ridge").rename(folder / "pass2")
    assert main(arguments(folder, tmp_path)) == 0
    said = [line for line in capsys.readouterr().out.splitlines() if "computed" in line]
    assert [line.split(" computed")[0].split()[-1] for line in said] == ["12", "0", "0"]
    assert sorted(row["content"] for row in rows(tmp_path)) == sorted(row["content"] for row in first)


def test_an_unreadable_picture_is_a_row_with_its_failure(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It has no features, the command does not fail, and stderr names it."""
    assert main(arguments(archive(tmp_path / "a", 1), tmp_path)) == 0
    failed = [row for row in rows(tmp_path) if row["failure"]]
    assert [(row["file"][-12:], row["features"]) for row in failed] == [("IMG_9999.JPG", None)]
    assert "IMG_9999.JPG: truncated" in capsys.readouterr().err


def test_labelled_pictures_keep_the_columns_of_the_data_set(tmp_path: Path) -> None:
    """The rows of a CSV in its order, one of a file that is not there."""
    archive(tmp_path / "a", 1)
    files = ["a/ridge/DCIM/100MEDIA/IMG_0001.JPG", "a/none.jpg", "a/pass/DCIM/100MEDIA/IMG_0002.JPG"]
    (tmp_path / "l.csv").write_text(
        "file,label,location\n" + "".join(f"{file},cat,{n}\n" for n, file in enumerate(files))
    )
    command = ["features", "--data", str(tmp_path / "l.csv"), "--bundle", str(STARTER), "--out"]
    assert main([*command, str(tmp_path / "f.parquet")]) == 0
    found = [
        (row["number"], row["file"], row["label"], row["location"], bool(row["failure"])) for row in rows(tmp_path)
    ]
    assert found == [(n, file, "cat", str(n), n == 1) for n, file in enumerate(files)]


@pytest.mark.parametrize("at", ["{}", "file://{}"], ids=["folder", "address"])
def test_a_folder_that_cannot_be_listed_is_named_and_the_rest_is_done(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], at: str
) -> None:
    """The exit code is 1; for an address pyarrow cannot list the whole tree."""
    folder, scandir, selector = archive(tmp_path / "a", 1), os.scandir, fs.FileSelector

    def refuse(path: str, listed: Callable[..., object], *args: object, **options: object) -> object:
        if str(path).rstrip("/") == str(folder / "ridge") or options.get("recursive"):
            raise OSError(5, "Input/output error")
        return listed(path, *args, **options)

    monkeypatch.setattr(os, "scandir", lambda path: refuse(path, scandir))
    monkeypatch.setattr(fs, "FileSelector", lambda path, **options: refuse(path, selector, **options))
    code = main(["features", "--archive", at.format(folder), *arguments(folder, tmp_path)[3:]])
    assert (code, {row["location"] for row in rows(tmp_path)}) == (1, {"pass"})
    assert f"{at.format(folder)}/ridge: cannot be read (Input/output error)" in capsys.readouterr().err


def test_an_address_gives_the_same_as_the_folder(tmp_path: Path) -> None:
    """Pictures of an address are read by pyarrow."""
    folder = archive(tmp_path / "a", 1)
    for name in (".Trashes", "101RIDGE", "102RIDGE"):
        picture(folder / name / "IMG_0001.JPG", 0, 0)
    assert main(arguments(folder, tmp_path / "1")) == 0
    assert main(arguments(f"file://{folder}", tmp_path / "2")) == 0
    plain = [{name: value for name, value in row.items() if name != "failure"} for row in rows(tmp_path / "1")]
    assert plain == [{name: value for name, value in row.items() if name != "failure"} for row in rows(tmp_path / "2")]


@pytest.mark.heavy
def test_ctrl_c_keeps_what_was_computed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SIGINT to a real process; the next run computes only the rest."""
    folder = archive(tmp_path / "a", bursts=20)
    program = subprocess.Popen([*PROGRAM, *arguments(folder, tmp_path)], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while not any(log.stat().st_size for log in tmp_path.glob("cache/features/*/pooled.jsonl")):
        assert program.poll() is None and time.monotonic() < deadline
        time.sleep(0.002)
    program.send_signal(signal.SIGINT)
    said = program.communicate(timeout=60)[1]
    kept = sum(keys.read_bytes().count(b"\n") for keys in tmp_path.glob("cache/features/*/pooled/keys.txt"))
    assert (program.returncode, "same command again" in said, (tmp_path / "f.parquet").exists()) == (130, True, False)
    assert main(arguments(folder, tmp_path)) == 0
    computed = int(capsys.readouterr().out.split(" computed")[0].split()[-1])
    assert 0 < computed <= 120 - kept and len({row["content"] for row in rows(tmp_path) if row["features"]}) <= 120


def test_memory_holds_only_a_few_items_per_worker() -> None:
    """For any number of items and any speed of the consumer."""
    begun: list[int] = []
    results = parallel_map(lambda item: begun.append(item) or item, range(1000), 2)
    taken = [next(results) for _ in range(3)]
    results.close()
    assert (taken, len(begun) <= 3 + 2 * ITEMS_PER_WORKER + 1) == ([0, 1, 2], True)


MISTAKES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "missing archive": (lambda folder: arguments(folder / "none", folder), "none: not there; expected"),
    "a file in place of an archive": (
        lambda folder: arguments(Path(__file__), folder), "a file; expected a folder with pictures: unpack a zip",
    ),
    "an address of nothing known": (lambda folder: arguments("ftp://x/y", folder), "not an address"),
    "missing backbone": (
        lambda folder: ["features", "--archive", str(archive(folder / "a", 1)), "--backbone-dir", str(folder / "b"),
                        "--out", str(folder / "f.parquet")],
        "b: no quantized backbone",
    ),
    "a layer that int8 lacks": (
        lambda folder: arguments(archive(folder / "a", 1), folder, "--layer", "map"), "add --precision float",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, no traceback."""
    make, message = MISTAKES[mistake]
    code = main(make(tmp_path))
    said = capsys.readouterr().err
    assert (code, said.count("\n"), message in said) == (2, 1, True)
