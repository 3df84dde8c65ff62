"""`uncia-train evaluate` writes the documented JSON, with the classifier that the trap runs."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.cli.main import main

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"


def write_picture(path: Path, seed: int) -> None:
    """A smooth JPEG; each seed gives another one."""
    cells = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(cells).resize((320, 240), Image.Resampling.BICUBIC).save(out, "JPEG")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], Path]:
    """The report on six pictures: three of one sequence, one missing, one broken."""
    folder = tmp_path_factory.mktemp("evaluate")
    rows = ["file,label,sequence"]
    for seed in range(6):
        write_picture(folder / f"p/{seed}.jpg", seed)
        rows.append(f"p/{seed}.jpg,{'snow_leopard' if seed % 2 else 'fox'},{'s1' if seed in (1, 3, 5) else ''}")
    (folder / "p" / "bad.jpg").write_bytes(b"nothing")
    rows += ["p/bad.jpg,fox,", "p/absent.jpg,fox,"]
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    out = folder / "report.json"
    assert main(["evaluate", "--bundle", str(STARTER), "--data", str(folder / "labels.csv"), "--json", str(out)]) == 0
    result: dict[str, Any] = json.loads(out.read_text())
    return result, folder


def test_the_report_has_the_documented_keys(report: tuple[dict[str, Any], Path]) -> None:
    """Other tools use these names."""
    wanted = {"n", "accuracy", "roc_auc", "average_precision"}
    assert all(set(report[0][part]) >= wanted for part in ("images", "sequences"))


def test_sequences_count_once(report: tuple[dict[str, Any], Path]) -> None:
    """Six pictures with one sequence of three are four sequences."""
    assert (report[0]["images"]["n"], report[0]["sequences"]["n"]) == (6, 4)


def test_figures_are_given_by_light_by_label_and_for_each_sequence(report: tuple[dict[str, Any], Path]) -> None:
    """The rows of the sequences add up to the figures."""
    content = report[0]
    rows = content["per_sequence"]
    assert rows[1]["files"] == ["p/1.jpg", "p/3.jpg", "p/5.jpg"]
    assert {label: one["n"] for label, one in content["labels"].items()} == {"fox": 3, "snow_leopard": 1}
    assert sum(one["n"] for one in content["light"].values()) == len(rows) == 4
    alarms = [one for one in rows if one["called_positive"] and not one["positive"]]
    assert content["sequences"]["false_alarms"] == len(alarms)
    assert content["sequences"]["recall_interval"] is not None


def test_the_threshold_table_agrees_with_the_figures(report: tuple[dict[str, Any], Path]) -> None:
    """At the bundle's threshold; without places there are no alarms a day."""
    content = report[0]
    [row] = [one for one in content["thresholds"] if one["in_use"]]
    whole = content["sequences"]
    called = [len(one["files"]) for one in content["per_sequence"] if one["called_positive"]]
    assert [row[name] for name in ("threshold", "recall", "false_alarms", "pictures_to_look_at")] == [
        whole["threshold"], whole["recall"], whole["false_alarms"], sum(called)
    ]  # fmt: skip
    assert (content["trap_days"], row["false_alarms_per_day"]) == (None, None)


def test_false_alarms_a_day_are_given_with_places_and_times(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Two days without pictures, between two pictures, count."""
    for seed in range(2):
        write_picture(tmp_path / f"{seed}.jpg", seed)
    rows = [f"{day}.jpg,fox,pass,2026-03-0{1 + 3 * day}T10:00:00" for day in range(2)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label,location,datetime", *rows]) + "\n")
    out = tmp_path / "report.json"
    assert main(["evaluate", "--bundle", str(STARTER), "--data", str(tmp_path / "labels.csv"), "--json", str(out)]) == 0
    content = json.loads(out.read_text())
    row = content["thresholds"][0]
    assert (content["trap_days"], row["false_alarms_per_day"]) == (4, row["false_alarms"] / 4)
    assert "pictures to look at" in capsys.readouterr().out


def test_files_and_labels_are_repeated_as_written(report: tuple[dict[str, Any], Path]) -> None:
    """So a row can be joined with its CSV."""
    assert [(row["file"], row["label"]) for row in report[0]["per_image"][:2]] == [
        ("p/0.jpg", "fox"),
        ("p/1.jpg", "snow_leopard"),
    ]


def test_a_probability_is_that_of_the_whole_picture(report: tuple[dict[str, Any], Path]) -> None:
    """Also for a frame of a sequence: int8, with the contract's classifier."""
    classifier = Classifier(read_bundle(STARTER))
    expected = classifier.score(model_input((report[1] / "p/3.jpg").read_bytes(), classifier.manifest.input_size))
    assert report[0]["per_image"][3]["probability"] == expected


def test_unusable_pictures_are_named(report: tuple[dict[str, Any], Path]) -> None:
    """A broken and a missing one are recorded; the command goes on."""
    assert [failure["file"] for failure in report[0]["failures"]] == ["p/bad.jpg", "p/absent.jpg"]


def test_a_folder_for_each_label_is_read(tmp_path: Path) -> None:
    """The simplest kind of data set."""
    for seed, label in enumerate(("snow_leopard", "fox")):
        write_picture(tmp_path / "d" / label / "1.jpg", seed)
    out = tmp_path / "r.json"
    assert main(["evaluate", "--bundle", str(STARTER), "--data", str(tmp_path / "d"), "--json", str(out)]) == 0
    assert [row["label"] for row in json.loads(out.read_text())["per_image"]] == ["fox", "snow_leopard"]
