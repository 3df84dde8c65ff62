"""Spark gives the same features, scores and coefficients as the local engine, round by round.

One session for all of them: a JVM takes seconds to begin.
"""

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.contract.archive.test_neighbours import ANIMAL, camera, view
from tests.contract.pictures.render_card import LINES, SUM, card, close

from uncia_contract.archive.visits import archive_of
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.model.heads import head_from_bytes
from uncia_contract.runs.run_folder import read_run
from uncia_training.cli.main import main
from uncia_training.datasets.storage import archive_at
from uncia_training.features.feature_network import network_of_bundle
from uncia_training.features.feature_rows import FeatureRow, PictureEntry, archive_entries
from uncia_training.features.feature_run import LocalFeatures
from uncia_training.features.feature_table import FeatureTable
from uncia_training.fitting.logistic import Linear
from uncia_training.fitting.parquet_fit import fit_parquet, read_rows
from uncia_training.spark.features import SparkFeatures
from uncia_training.spark.fit import fit_spark
from uncia_training.spark.session import spark

sys.path.insert(0, str(Path(__file__).parents[1]))
from archives import ROOT, STARTER, archive, state

parquet = pytest.importorskip("pyarrow.parquet")
pytest.importorskip("pyspark", reason="NO PYSPARK: nothing of Spark was tested")
if shutil.which("java") is None:
    pytest.skip("NO JAVA: apt install default-jre-headless; nothing of Spark was tested", allow_module_level=True)
# PySpark's own: sockets that it leaves to the garbage collector, and pandas 3, which it does not vouch for yet.
pytestmark = [
    pytest.mark.filterwarnings("ignore:PySpark does not yet fully support pandas:FutureWarning"),
    pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"),
]
RULE = RegionRule()


@pytest.fixture(scope="module")
def session() -> Iterator[Any]:
    """Spark on two of this machine's cores, with little compilation, which would take longer than these few rows."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        with spark("local[2]") as begun:
            begun.conf.set("spark.sql.shuffle.partitions", "2")
            begun.conf.set("spark.sql.codegen.wholeStage", "false")
            yield begun


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Two traps with bursts of three, and a truncated picture."""
    return archive(tmp_path / "a", bursts=2)


def features_by_spark(session: Any, folder: str, out: Path, **more: Any) -> tuple[int, list[dict[str, Any]]]:
    """The number of computed pictures, and the rows."""
    engine = SparkFeatures(session, network_of_bundle(STARTER), RULE, "test")
    found = engine.of_archive(archive_at(folder), folder)
    done = engine.run(found, str(out), more.pop("progress", lambda done: None), **more)
    return done.computed, in_order(parquet.read_table(out).to_pylist())


def features_here(folder: Path, out: Path) -> list[dict[str, Any]]:
    """The rows of the local engine."""
    engine = LocalFeatures(network_of_bundle(STARTER), RULE, out / "cache", 2)
    engine.run(archive_entries(archive_of(folder), str(folder), "test", BurstRule(), 2), out / "f.parquet")
    engine.close()
    return in_order(parquet.read_table(out / "f.parquet").to_pylist())


def in_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows by picture, the whole picture first."""
    return sorted(rows, key=lambda row: (row["number"], row["view"] == "region"))


def test_features_are_the_local_engines(session: Any, shared: Path, tmp_path: Path) -> None:
    """Real bursts with their regions: every column of every row is equal, to the bit."""
    bursts = shared / "data" / "bursts" / "wakhan"
    computed, rows = features_by_spark(session, str(bursts), tmp_path / "f")
    assert (computed, rows == features_here(bursts, tmp_path)) == (4, True)
    assert {row["view"] for row in rows} == {"whole", "region"}


@pytest.fixture
def commands(session: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Runs the command line in the existing session."""
    monkeypatch.setattr("uncia_training.spark.session.spark", lambda master: nullcontext(session))
    return lambda *arguments: main([str(one) for one in arguments])


def test_an_unreadable_picture_is_a_row_and_an_address_is_read(
    commands: Callable[..., int], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """`features --engine spark`: workers read a `file://` address with pyarrow."""
    command = ("features", "--archive", f"file://{pictures}", "--bundle", STARTER, "--engine", "spark")
    assert commands(*command, "--out", tmp_path / "f") == 0
    rows, said = in_order(parquet.read_table(tmp_path / "f").to_pylist()), capsys.readouterr()
    assert [(row["file"][-12:], row["features"]) for row in rows if row["failure"]] == [("IMG_9999.JPG", None)]
    assert rows == features_here(pictures, tmp_path)
    assert "13 pictures, 1 unreadable; 13 computed now" in said.out and "IMG_9999.JPG: truncated" in said.err


def test_a_folder_that_a_worker_cannot_list_is_named_and_the_rest_is_done(
    session: Any, pictures: Path, tmp_path: Path
) -> None:
    """The driver could list it."""
    engine, seen = SparkFeatures(session, network_of_bundle(STARTER), RULE, "test"), archive_of(pictures)
    found = engine.of_archive(seen, str(pictures))
    shutil.rmtree(pictures / "ridge")
    done = engine.run(found, str(tmp_path / "f"), lambda done: None)
    assert {row["location"] for row in parquet.read_table(tmp_path / "f").to_pylist()} == {"pass"}
    assert seen.notes.unreadable == [f"{pictures}/ridge/DCIM/100MEDIA: cannot be read (No such file or directory)"]
    assert (done.pictures, seen.notes.left_out) == (7, {"unreadable_folder": 1})


class StoppedError(Exception):
    """Stops a job in a test."""


def test_a_stopped_job_continues(session: Any, tmp_path: Path) -> None:
    """The rows of earlier rounds are not computed again, and the result is complete."""
    pictures = archive(tmp_path / "a", bursts=4)

    def stop(done: int) -> None:
        if any(parquet.read_metadata(part).num_rows for part in (tmp_path / "f.staged").glob("*.parquet")):
            raise StoppedError

    with pytest.raises(StoppedError):
        features_by_spark(session, str(pictures), tmp_path / "f", progress=stop, round_size=1)
    session.sparkContext.cancelAllJobs()
    computed, rows = features_by_spark(session, str(pictures), tmp_path / "f")
    assert 0 < computed < 25
    assert rows == features_here(pictures, tmp_path)


def test_scores_are_the_local_engines(
    commands: Callable[..., int], pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same table, byte for byte; a rerun scores nothing again; the originals do not change."""
    before, command = state(pictures), ("score", pictures, "--bundle", STARTER)
    for _ in range(2):
        assert commands(*command, "--engine", "spark", "--out", tmp_path / "spark") == 0
    assert commands(*command, "--out", tmp_path / "local") == 0
    said = [line.split(" scored now")[0].split()[-1] for line in capsys.readouterr().out.splitlines() if "now" in line]
    spark_table, local_table = (tmp_path / engine / "scores.csv" for engine in ("spark", "local"))
    assert (said, spark_table.read_bytes() == local_table.read_bytes()) == (["13", "0", "13"], True)
    files = [parquet.read_table(tmp_path / engine / "scores.parquet").to_pylist() for engine in ("spark", "local")]
    assert (files[0] == files[1], state(pictures) == before) == (True, True)


def test_the_sum_of_a_card_is_the_local_engines(
    commands: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One picture of every kind: `score` and `features` end with the same lines, the JSON has the same numbers."""
    folder = card(tmp_path / "card")
    close(monkeypatch)
    for command in (("score", folder), ("features", "--archive", folder)):
        for engine in ("local", "spark"):
            out = tmp_path / f"{command[0]}-{engine}"
            assert commands(*command, "--bundle", STARTER, "--engine", engine, "--out", out) == 1
            assert capsys.readouterr().out.splitlines()[-2:] == LINES
    written = [json.loads((tmp_path / f"score-{engine}/scores.json").read_text()) for engine in ("local", "spark")]
    assert [one["info"]["pictures"] for one in written] == [SUM, SUM]


def test_single_pictures_have_the_local_engines_backgrounds(commands: Callable[..., int], tmp_path: Path) -> None:
    """In many rounds, in another order: the same table, byte for byte, with regions from neighbours."""
    folder = tmp_path / "a"
    camera(folder, [view(None if number % 3 else ANIMAL) for number in range(14)])
    command = ("score", folder, "--bundle", STARTER, "--write", "csv")
    assert commands(*command, "--engine", "spark", "--round", "4", "--out", tmp_path / "spark") == 0
    assert commands(*command, "--out", tmp_path / "local") == 0
    tables = [(tmp_path / engine / "scores.csv").read_text() for engine in ("spark", "local")]
    assert tables[0] == tables[1]
    assert sum(row["width"] != "" for row in csv.DictReader(tables[0].splitlines())) == 5


def made_up(path: Path, classes: int) -> list[str]:
    """Parquet with features of overlapping classes, of different scales, one constant; the positive labels."""
    chance, names = np.random.default_rng(5), ["other", "snow_leopard", "fox"][:classes]
    labels = chance.choice(names, 300, p=[0.6, 0.4] if classes == 2 else [0.5, 0.3, 0.2])
    values = chance.normal(size=(300, 24)) + 0.4 * np.array([names.index(label) for label in labels])[:, None]
    values = (values * np.geomspace(0.01, 100, 24) + 3).astype(np.float32)
    values[:, 7] = 2.0
    rows = [FeatureRow(n, PictureEntry(f"{n}.jpg", "", label)) for n, label in enumerate(labels)]
    with FeatureTable(path) as table:
        table.write(rows, values)
    return names[1:]


@pytest.mark.parametrize("classes", [2, 3])
def test_spark_mls_coefficients_are_scikit_learns(session: Any, tmp_path: Path, classes: int) -> None:
    """On standardised features, to 1e-3, with two and three classes."""
    path = tmp_path / "f.parquet"
    positive = made_up(path, classes)
    deviation = read_rows(path, positive)[0].std(axis=0, dtype=np.float64)

    def standardised(fitted: Linear) -> np.ndarray:
        return fitted.weights * deviation

    ours, theirs = (fit[0] for fit in (fit_parquet(path, positive, 0.1), fit_spark(session, str(path), positive, 0.1)))
    assert np.abs(standardised(ours) - standardised(theirs)).max() < 1e-3
    assert np.abs(ours.logits(read_rows(path, positive)[0]) - theirs.logits(read_rows(path, positive)[0])).max() < 1e-2
    assert np.abs(standardised(ours)).max() > 0.1


def test_both_engines_heads_from_the_command_line_agree(commands: Callable[..., int], tmp_path: Path) -> None:
    """`fit-parquet --engine spark` writes a head with scikit-learn's probabilities."""
    (positive,) = made_up(tmp_path / "f.parquet", 2)
    heads = []
    for engine in ("local", "spark"):
        out = tmp_path / f"{engine}.npz"
        fit = ("fit-parquet", tmp_path / "f.parquet", "--positive", positive, "--c", "0.1", "--engine", engine)
        assert commands(*fit, "--out", out) == 0
        heads.append(head_from_bytes(out.read_bytes()))
    features = read_rows(tmp_path / "f.parquet", [positive])[0]
    ours, theirs = (head.probabilities(features) for head in heads)
    assert np.abs(ours - theirs).max() < 1e-3 < np.ptp(ours[:, 1])


def test_fit_parquet_by_spark_leaves_a_run(commands: Callable[..., int], tmp_path: Path) -> None:
    """Its head is the local engine's, to Spark ML's tolerance; figures and all else are the trainer's own."""
    backbone = Path(__file__).parents[2] / "fixtures" / "release-0.1" / "workstation" / "backbone"
    for number, kind in enumerate(("cat", "goat") * 8):
        cells = np.random.default_rng(number).integers(0, 160, (6, 8, 3), dtype=np.uint8)
        cells[:, :, 0] += 90 * (kind == "cat")
        (tmp_path / "data" / kind).mkdir(parents=True, exist_ok=True)
        Image.fromarray(cells).resize((160, 120)).save(tmp_path / "data" / kind / f"{number}.jpg")
    given = ("--data", tmp_path / "data", "--positive", "cat", "--backbone-dir", backbone)
    assert commands("features", *given, "--out", tmp_path / "f.parquet") == 0
    runs = []
    for engine in ("local", "spark"):
        out = tmp_path / engine
        assert commands("fit-parquet", tmp_path / "f.parquet", *given, "--engine", engine, "--out", out) == 0
        runs.append((read_run(out), head_from_bytes((out / "head.npz").read_bytes())))
    features = read_rows(str(tmp_path / "f.parquet"), ["cat"])[0]
    ours, theirs = (head.probabilities(features) for _, head in runs)
    assert np.abs(ours - theirs).max() < 1e-3 < np.ptp(ours[:, 1])
    assert runs[0][0].metrics == runs[1][0].metrics


def test_without_java_one_line_says_what_to_install(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.delenv("JAVA_HOME", raising=False)
    command = ["score", str(pictures), "--bundle", str(STARTER), "--engine", "spark", "--out", str(tmp_path / "out")]
    assert (main(command), "no Java: Spark needs version 17" in capsys.readouterr().err) == (2, True)


SUBMIT = ROOT / "training" / "uncia_training" / "__main__.py"


@pytest.mark.slow
def test_spark_submit_runs_the_program(pictures: Path, tmp_path: Path) -> None:
    """As in docs/scaling.md: the master is that of spark-submit, the results are the local engine's."""
    import pyspark

    submit = Path(pyspark.__file__).parent / "bin" / "spark-submit"
    command = ["score", str(pictures), "--bundle", str(STARTER)]
    environment = os.environ | {"PYSPARK_PYTHON": sys.executable, "SPARK_LOCAL_IP": "127.0.0.1"}
    subprocess.run(
        [str(submit), "--master", "local[2]", "--driver-memory", "1g", str(SUBMIT), *command, "--engine", "spark",
         "--out", str(tmp_path / "spark")],
        check=True, env=environment, timeout=300,
    )  # fmt: skip
    assert main([*command, "--out", str(tmp_path / "local")]) == 0
    assert (tmp_path / "spark/scores.csv").read_bytes() == (tmp_path / "local/scores.csv").read_bytes()


@pytest.mark.slow
def test_ctrl_c_ends_spark_and_a_rerun_continues(tmp_path: Path) -> None:
    """SIGINT in the middle of the rounds: exit code 130, one line; the rerun scores only the rest."""
    folder = archive(tmp_path / "a", bursts=10)
    command = [sys.executable, str(SUBMIT), "score", str(folder), "--bundle", str(STARTER), "--engine", "spark"]
    command += ["--master", "local[2]", "--out", str(tmp_path / "out")]
    program = subprocess.Popen([*command, "--round", "2"], stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 200
    staged = tmp_path / "out/scored-without-zone"
    while not any(parquet.read_metadata(part).num_rows for part in staged.glob("*.parquet")):
        assert program.poll() is None and time.monotonic() < deadline
        time.sleep(0.01)
    program.send_signal(signal.SIGINT)
    said = program.communicate(timeout=100)[1]
    assert (program.returncode, "start the same command again" in said, "Traceback" in said) == (130, True, False)
    rerun = subprocess.run(command, check=True, capture_output=True, text=True, timeout=300)
    now = int(rerun.stdout.split(" scored now")[0].split()[-1])
    rows = list(csv.DictReader((tmp_path / "out/scores.csv").open()))
    assert 0 < now < 61 == len(rows)
