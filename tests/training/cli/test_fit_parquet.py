"""`uncia-train fit-parquet` writes a head that the trap's code reads, and reports mistakes in one line."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from uncia_contract.model.heads import head_from_bytes
from uncia_training.cli.main import main
from uncia_training.features.feature_rows import FeatureRow, PictureEntry
from uncia_training.features.feature_table import FeatureTable
from uncia_training.fitting.parquet_fit import fit_parquet

pq = pytest.importorskip("pyarrow.parquet")


def features(path: Path, labels: list[str], split: str = "") -> Path:
    """Parquet with rows whose first feature depends on the label."""
    chance = np.random.default_rng(1)
    values = chance.normal(size=(len(labels), 6)).astype(np.float32)
    values[:, 0] += [4.0 * (label == "snow_leopard") for label in labels]
    rows = [FeatureRow(n, PictureEntry(f"{n}.jpg", "", label, split=split)) for n, label in enumerate(labels)]
    with FeatureTable(path) as table:
        table.write(rows, values)
    return path


def arguments(path: Path, out: Path, *more: str) -> list[str]:
    """The command's arguments."""
    return ["fit-parquet", str(path), "--positive", "snow_leopard", "--out", str(out), *more]


def test_the_head_is_scikit_learns_fit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two classes; the command prints how many rows it used."""
    path = features(tmp_path / "f.parquet", ["snow_leopard", "fox"] * 40)
    assert main(arguments(path, tmp_path / "runs/head.npz", "--c", "0.5")) == 0
    head, (fitted, _) = (
        head_from_bytes((tmp_path / "runs/head.npz").read_bytes()),
        fit_parquet(str(path), ["snow_leopard"], 0.5),
    )
    assert np.allclose(head.weights, fitted.weights, atol=1e-6)
    assert "other, snow_leopard: fitted on 80 rows of 6 features" in capsys.readouterr().out


def test_a_head_without_a_run_reads_labels_and_features_only(tmp_path: Path) -> None:
    """Names, places and boxes of a million rows are needed only for a run."""
    whole = pq.read_table(features(tmp_path / "f.parquet", ["snow_leopard", "fox"] * 40))
    pq.write_table(whole.select(["label", "features", "split", "failure"]), tmp_path / "few.parquet")
    assert main(arguments(tmp_path / "few.parquet", tmp_path / "head.npz")) == 0


MISTAKES: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "missing file": (lambda folder: arguments(folder / "none", folder / "h"), "none: no features"),
    "a label written in another way": (
        lambda folder: arguments(features(folder / "f", ["Snow Leopard"]), folder / "h"), "'Snow Leopard' differs",
    ),
    "a class without rows": (
        lambda folder: arguments(features(folder / "f", ["fox"] * 4), folder / "h"), "no rows of snow_leopard",
    ),
    "all rows held out": (
        lambda folder: arguments(features(folder / "f", ["fox", "snow_leopard"], "test"), folder / "h"), "no rows of",
    ),
    "all rows to tune with": (
        lambda folder: arguments(features(folder / "f", ["fox", "snow_leopard"], "Tune"), folder / "h"), "no rows of",
    ),
    "no penalty": (
        lambda folder: arguments(features(folder / "f", ["fox", "snow_leopard"]), folder / "h", "--c", "0"),
        "--c 0.0: expected more than 0",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line(tmp_path: Path, mistake: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2 and no head."""
    make, message = MISTAKES[mistake]
    code = main(make(tmp_path))
    said = capsys.readouterr().err
    assert (code, said.count("\n"), message in said, (tmp_path / "h").exists()) == (2, 1, True, False), said
