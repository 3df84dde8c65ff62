"""The comparison on rendered pictures: a report with every promised figure, and nothing computed twice."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_training import extract
from uncia_training.cli import main
from uncia_training.logistic import Calibration
from uncia_training.selection import probabilities
from uncia_training.systems import systems


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Bright cats and dark dogs, four sequences of two frames each, and a picture that is none."""
    folder = tmp_path_factory.mktemp("data")
    chance = np.random.default_rng(3)
    rows = ["file,label,sequence,location,datetime"]
    for label, level in (("cat", 150), ("dog", 90), ("fox", 40)):
        for number in range(8):
            noise = chance.integers(0, 50, (9, 12, 3), dtype=np.uint8)
            image = Image.fromarray(noise + np.uint8(level)).resize((160, 120))
            image.save(folder / f"{label}{number}.jpg")
            rows.append(f"{label}{number}.jpg,{label},{label}{number // 2},place {label}{number // 2},")
    (folder / "none.jpg").write_bytes(b"no picture")
    rows += ["none.jpg,cat,,,", "gone.jpg,cat,,,"]
    (folder / "labels.csv").write_text("\n".join(rows))
    return folder


def run(data: Path, out: Path, *more: str) -> dict:
    arguments = ["compare", "--data", str(data / "labels.csv"), "--positive", "cat", "--system", "L120"]
    assert main([*arguments, "--out", str(out), "--repeats", "1", *more]) == 0
    return json.loads((out / "report.json").read_text())


def test_report_has_the_documented_figures(data, tmp_path):
    """Frames and sequences, each with intervals, and false alarms a day."""
    system = run(data, tmp_path / "run")["systems"][0]
    names = {"accuracy", "accuracy_interval", "roc_auc", "roc_auc_interval", "average_precision"}
    assert names <= set(system["frames"])
    assert names | {"false_alarms_per_day"} <= set(system["sequences"])
    assert (system["name"], system["sequences"]["n"]) == ("L120", 12)


def test_unreadable_and_missing_pictures_are_recorded(data, tmp_path):
    """Neither stops the run; the one that the annotations name in vain has its remedy."""
    content = run(data, tmp_path / "run")
    assert [failure["file"] for failure in content["failures"]] == ["none.jpg", "gone.jpg"]
    assert any(line.startswith("gone.jpg") and "restore" in line for line in content["warnings"])


def test_the_page_needs_no_other_file(data, tmp_path):
    """Plots and pictures stand in the page itself."""
    run(data, tmp_path / "run")
    text = (tmp_path / "run" / "report.html").read_text()
    assert text.count("<svg") == 2
    assert "data:image/jpeg;base64," in text
    assert 'src="http' not in text


def test_a_second_run_computes_nothing_anew(data, tmp_path, monkeypatch):
    """All features come from the cache, and the figures are the same."""
    first = run(data, tmp_path / "run")
    monkeypatch.setattr(extract.Pixels, "__call__", lambda self, image: pytest.fail("computed again"))
    assert run(data, tmp_path / "again")["systems"] == first["systems"]


def test_random_split_is_printed_beside(data, tmp_path):
    """What leakage would have claimed stands beside the honest figure."""
    content = run(data, tmp_path / "run", "--split", "random")
    assert content["settings"]["split"] == "location"
    assert "accuracy" in content["systems"][0]["random_split"]["frames"]


def test_several_positive_labels_take_the_same_path(data, tmp_path):
    """Three classes: a row and a column for each in the confusion."""
    content = run(data, tmp_path / "run", "--positive", "dog")
    assert np.array(content["systems"][0]["confusion"]["counts"]).shape == (3, 3)


def test_unknown_system_is_told_with_those_there_are(data, tmp_path, capsys):
    """One line, exit code 2."""
    arguments = ["compare", "--data", str(data / "labels.csv"), "--positive", "cat", "--out", str(tmp_path)]
    assert main([*arguments, "--system", "RN9"]) == 2
    assert "expected all or L120, RN1" in capsys.readouterr().err


def test_prevalence_restates_probabilities():
    """Even odds become one in twenty where one in twenty is positive."""
    even = Calibration(1.0, np.zeros(2)).at(np.array([0.95, 0.05]))
    assert probabilities(np.zeros((1, 2)), even)[0, 1] == pytest.approx(0.05)


def test_cut_networks_have_their_own_rows():
    """RN3 takes the place of RN1 and RN2 where the network is cut after its third stage."""
    names = [row.name for row in systems(["all"], "stage3")]
    assert names == ["L120", "RN3", "RN3+A", "RN3+A+E", "uncia", "uncia-no-regions"]
