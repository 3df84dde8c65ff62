"""The comparison on rendered pictures: the report has every promised figure, and nothing is computed twice."""

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.cli.main import main
from uncia_training.comparison.systems import systems
from uncia_training.datasets.inspection import Inspection
from uncia_training.datasets.region_crops import Crop
from uncia_training.features import extract, networks
from uncia_training.features.data_pass import WantedFeatures, opened_stores
from uncia_training.features.extract import row_key
from uncia_training.fitting.learning_set import LearningSet, rows_of
from uncia_training.fitting.logistic import Calibration
from uncia_training.fitting.selection import Samples, fit_all, probabilities

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def data(tmp_path_factory) -> Path:
    """Bright cats and dark dogs, four sequences of two frames each, and a single picture."""
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


def test_the_number_of_calibration_pictures_can_be_chosen(data, tmp_path, monkeypatch, capsys):
    """With more of them, quantization can pass its check."""

    def choose(pictures, size, count):
        raise DataError(f"{count} pictures")

    monkeypatch.setattr(networks, "choose", choose)
    line = f"compare --data {data / 'labels.csv'} --positive cat --system uncia --out {tmp_path / 'run'}"
    assert main([*line.split(), "--weights", "random:1", "--calibration-pictures", "7"]) == 2
    assert "7 pictures" in capsys.readouterr().err


def test_unreadable_and_missing_pictures_are_recorded(data, tmp_path):
    """The run goes on; the missing picture of the annotations has its remedy."""
    content = run(data, tmp_path / "run")
    assert [failure["file"] for failure in content["failures"]] == ["none.jpg", "gone.jpg"]
    assert any(line.startswith("gone.jpg") and "restore" in line for line in content["warnings"])


def test_the_page_needs_no_other_file(data, tmp_path):
    """Plots and pictures are embedded in the page."""
    run(data, tmp_path / "run")
    text = (tmp_path / "run" / "report.html").read_text()
    assert text.count("<svg") == 2
    assert "data:image/jpeg;base64," in text
    assert 'src="http' not in text


def test_a_second_run_computes_no_features(data, tmp_path, monkeypatch):
    """All features come from the cache; the figures are equal."""
    first = run(data, tmp_path / "run")
    monkeypatch.setattr(extract.Pixels, "__call__", lambda self, image: pytest.fail("computed again"))
    assert run(data, tmp_path / "again")["systems"] == first["systems"]


def test_a_run_with_one_more_picture_computes_that_one_only(data, tmp_path, monkeypatch):
    """The features of the others are found by content, though their file has another name."""
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    run(folder, tmp_path / "run")
    (folder / "cat0.jpg").rename(folder / "renamed.jpg")
    Image.effect_noise((160, 120), 60).save(folder / "new.jpg")
    table = (folder / "labels.csv").read_text().replace("cat0.jpg", "renamed.jpg")
    (folder / "labels.csv").write_text(f"{table}\nnew.jpg,dog,new,place new,\n")
    seen, plain = [], extract.Pixels.__call__
    monkeypatch.setattr(extract.Pixels, "__call__", lambda self, image: seen.append(1) or plain(self, image))
    assert run(folder, tmp_path / "again")["data"]["pictures"] == 25
    assert len(seen) == 1


def test_pictures_of_never_learnt_are_scored_and_not_used_for_training(data, tmp_path, capsys):
    """Figures and penalties are as without them; the study and the sum include them."""
    more = tmp_path / "more"
    more.mkdir()
    rows = ["file,label,sequence,split"]
    for number, label in enumerate(("cat", "cat", "dog", "dog")):
        shutil.copy(data / f"{label}{number}.jpg", more / f"new{number}.jpg")
        Image.open(more / f"new{number}.jpg").transpose(Image.Transpose.ROTATE_180).save(more / f"new{number}.jpg")
        rows.append(f"new{number}.jpg,{label},new {label},train")
    (more / "tune.csv").write_text("\n".join(rows))
    alone = run(data, tmp_path / "alone")
    content = run(data, tmp_path / "run", "--never-learnt", str(more / "tune.csv"))
    kept = ("frames", "sequences", "penalties", "locations")
    assert [content["systems"][0][name] for name in kept] == [alone["systems"][0][name] for name in kept]
    assert (content["study"]["sequences"], content["study"]["positives"], alone["study"]) == (2, 1, None)
    assert "30 pictures found: 28 used" in capsys.readouterr().out


def test_figures_of_a_random_split_are_reported_too(data, tmp_path):
    """Beside those of the split by units."""
    content = run(data, tmp_path / "run", "--split", "random")
    assert content["settings"]["split"] == "location"
    assert "accuracy" in content["systems"][0]["random_split"]["frames"]


def test_several_positive_labels_are_compared(data, tmp_path, capsys):
    """Three classes: each has a row and a column in the confusion; each positive label has figures, printed too."""
    content = run(data, tmp_path / "run", "--positive", "dog")
    system, printed = content["systems"][0], capsys.readouterr().out
    for part in ("confusion", "sequence_confusion"):
        assert np.array(system[part]["counts"]).shape == (3, 3)
    counts = np.array(system["sequence_confusion"]["counts"])
    found = system["labels"]["cat"]["sequences"]
    assert found["recall"] == pytest.approx(counts[1, 1] / counts[1].sum()) and found["n"] == counts[1].sum()
    assert "  cat: precision " in printed and "  dog: precision " in printed
    assert "<h3>Each label</h3>" in (tmp_path / "run" / "report.html").read_text()


def test_an_unknown_system_is_refused_with_the_known_ones(data, tmp_path, capsys):
    """One line, exit code 2."""
    arguments = ["compare", "--data", str(data / "labels.csv"), "--positive", "cat", "--out", str(tmp_path)]
    assert main([*arguments, "--system", "RN9"]) == 2
    assert "expected all or L120, RN1" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("more", "told"),
    [
        (["--positive", "other"], "the class of everything else"),
        (["--positive", "lynx"], "no training picture shows 'lynx'; the labels are cat, dog, fox"),
        (["--seed", "-1"], "--seed -1: expected 0 or more"),
        (["--repeats", "0"], "--repeats 0: expected 1 or more"),
        (["--prevalence", "1.5"], "expected a share between 0 and 1"),
        (["--negatives-per-day", "-2"], "expected 0 or more"),
        (["--backbone", "resnet50v2", "--system", "RN1"], "give --weights resnet50-v2-7.onnx"),
        (["--backbone", "resnet50", "--system", "RN1", "--weights", "gone.h5"], "gone.h5: cannot be read"),
        (["--cut", "stage3", "--system", "RN3"], "efficientnet-lite0: no cut 'stage3'"),
    ],
    ids=[
        "the negative class",
        "no such label",
        "seed",
        "repeats",
        "prevalence",
        "rate",
        "no weights",
        "no file",
        "cut",
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(data, tmp_path, capsys, more, told):
    """It names the argument and what is expected."""
    arguments = ["compare", "--data", str(data / "labels.csv"), "--positive", "cat", "--system", "L120"]
    assert main([*arguments, "--out", str(tmp_path / "run"), *more]) == 2
    said = capsys.readouterr().err.strip().splitlines()
    assert (len(said), told in said[0]) == (1, True)


def test_prevalence_restates_probabilities():
    """A probability of 0.5 becomes 0.05 if one in twenty is positive."""
    even = Calibration(1.0, np.zeros(2)).at(np.array([0.95, 0.05]))
    assert probabilities(np.zeros((1, 2)), even)[0, 1] == pytest.approx(0.05)


def test_cut_networks_have_their_own_rows():
    """If the network is cut after its third stage, RN3 replaces RN1 and RN2."""
    names = [row.name for row in systems(["all"], "stage3")]
    assert names == ["L120", "RN3", "RN3+A", "RN3+A+E", "uncia", "uncia-no-regions"]


FIGURES = {"accuracy", "accuracy_interval", "roc_auc", "roc_auc_interval", "average_precision"}


def test_every_figure_of_frames_and_sequences_has_an_interval(data, tmp_path):
    """Also recall at 1 % false positives and false alarms a day; the interval contains the figure."""
    system = run(data, tmp_path / "run")["systems"][0]
    assert set(system["frames"]) >= FIGURES
    assert set(system["sequences"]) >= {*FIGURES, "false_alarms_per_day"}
    for part in (system["frames"], system["sequences"]):
        spans = {name.removesuffix("_interval"): span for name, span in part.items() if name.endswith("_interval")}
        assert all(span[0] <= part[name] <= span[1] for name, span in spans.items())


def test_a_training_picture_that_is_also_in_the_test_split_is_named_and_not_used(data, tmp_path):
    """It is found by its bytes; the warning names both files and the remedy."""
    folder = tmp_path / "data"
    shutil.copytree(data, folder)
    shutil.copy(folder / "cat1.jpg", folder / "copy.jpg")
    with (folder / "labels.csv").open("a") as rows:
        rows.write("\ncopy.jpg,cat,held,place held,,test\n")
    text = (folder / "labels.csv").read_text().replace("location,datetime", "location,datetime,split", 1)
    (folder / "labels.csv").write_text(text)
    content = run(folder, tmp_path / "run")
    assert any(line.startswith("cat1.jpg: the same bytes as the test picture copy.jpg") for line in content["warnings"])
    assert any("delete one of them" in line for line in content["warnings"])
    assert content["data"]["pictures"] == 24  # 25 can be read


def test_prevalence_changes_the_fit_and_not_only_its_probabilities():
    """If positives are rare, the weights differ, not only the bias."""
    chance = np.random.default_rng(0)
    labels = np.repeat([0, 1], 100)
    points = np.stack([chance.normal(labels, 1 + 2 * labels), chance.normal(0.8 * labels, 1)], axis=1)
    made = {}
    for name, prior in (("equal", None), ("field", np.array([0.95, 0.05]))):
        one = Samples(points[:, None].astype(np.float32), labels, [""] * 200, np.ones(1), prior=prior)
        weights = fit_all(one, 1.0).weights
        made[name] = np.diff(weights, axis=0)[0] / np.linalg.norm(np.diff(weights, axis=0))
    assert made["equal"] @ made["field"] < 0.999


def test_all_but_one_system_use_the_regions_of_bursts():
    """The seed's systems too; the effect of regions is measured with the one that does not."""
    rows = [*systems(["all"], None), *systems(["all"], "stage3")]
    assert {row.name for row in rows if not row.regions} == {"uncia-no-regions"}


def test_a_frame_with_a_region_is_scored_on_it(tmp_path):
    """In a burst with movement, frames are scored on their regions; a still is scored as a whole."""
    told = (("a", None, False), ("a", Region(0, 0, 0.5, 0.5), True), ("b", None, True))
    crops = [Crop(LabelledPicture(name, tmp_path, "cat"), region, scored=scored) for name, region, scored in told]
    key = systems(["L120"], None)[0].fit
    with opened_stores(tmp_path, extract.Pixels()) as stores:
        wanted = WantedFeatures(extract.Pixels(), key.augmentations, True, stores)
        for crop, content in zip(crops, (b"1", b"1", b"2"), strict=True):
            name = row_key(wanted.extractor, content.ljust(32), crop.region, "plain")
            stores["pixels"].add(name, np.zeros(120 * 120 * 3))
        pictures = tuple(crop.picture for crop in (crops[0], crops[2]))
        contents = tuple(content.ljust(32).hex() for content in (b"1", b"2"))
        seen = Inspection(pictures, contents, (0, 1), ("day", "day"), ())
        learning = LearningSet(None, seen, np.array([1, 1]), np.array([0, 1]), ["a", "b"], {})
        assert rows_of(learning, key, crops, wanted).scored.tolist() == [False, True, True]


def test_the_standards_own_example_is_compared(shared, tmp_path):
    """Camtrap DP 1.0.2's example, with rendered pictures under its names: ducks against all else."""
    folder = tmp_path / "package"
    shutil.copytree(shared / "camtrap-dp" / "example", folder)
    duck = "Anas_platyrhynchos"
    chance = np.random.default_rng(2)
    for picture in read_data(folder, [duck]):
        picture.path.parent.mkdir(exist_ok=True)
        level = np.uint8(150 if picture.label == duck else 40)
        Image.fromarray(chance.integers(0, 60, (24, 32, 3), dtype=np.uint8) + level).save(picture.path)
    arguments = ["compare", "--data", str(folder), "--positive", duck, "--system", "L120", "--repeats", "1"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 0
    content = json.loads((tmp_path / "run" / "report.json").read_text())
    assert (content["data"]["labels"][duck], content["data"]["pictures"], content["failures"]) == (157, 412, [])
    assert (content["data"]["units"], len(content["systems"][0]["locations"])) == (4, 4)
    assert content["systems"][0]["frames"]["accuracy"] > 0.95
    assert content["settings"]["negatives_per_day_from"].startswith("measured")


def few(data: Path, folder: Path, cats: int) -> Path:
    """The folder of a data set with this number of pictures of cats, each its own sequence, and all dogs."""
    shutil.copytree(data, folder)
    rows = [f"cat{number}.jpg,cat,c{number},place cat{number}" for number in range(cats)]
    rows += [f"dog{number}.jpg,dog,dog{number // 2},place dog{number // 2}" for number in range(8)]
    (folder / "labels.csv").write_text("\n".join(["file,label,sequence,location", *rows]))
    return folder


def test_three_pictures_of_a_class_are_enough(data, tmp_path):
    """Two of them, each of its own place, choose the penalty for the third."""
    assert run(few(data, tmp_path / "data", 3), tmp_path / "run")["data"]["labels"]["cat"] == 3


def test_a_class_with_one_training_picture_is_refused(data, tmp_path, capsys):
    """The picture is named; no penalty could be chosen."""
    folder = few(data, tmp_path / "data", 2)
    arguments = ["compare", "--data", str(folder / "labels.csv"), "--positive", "cat", "--system", "L120"]
    assert main([*arguments, "--out", str(tmp_path / "run")]) == 2
    assert re.search(r"'cat': .* has 1 picture \(cat\d.jpg\); .* add pictures", capsys.readouterr().err)
