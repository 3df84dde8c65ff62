"""Every command reads a data set in the same way: positives, sequences by time, and refused data."""

import io
import json
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import ExifTags, Image

from support.root_rights import obeying_rights
from uncia_backbones.folder import DESCRIPTION, INT8
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.reader import read_data
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_contract.model.manifest import MODEL
from uncia_training.archive.evaluate import Evaluator
from uncia_training.cli.main import main
from uncia_training.features.backbone_folder import BackboneDescription
from uncia_training.features.data_pass import pass_over

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"
AGAINST = "evaluate --against"
COMMANDS = ("fit", "compare", "evaluate", AGAINST, "features")


def picture(path: Path, time: str = "", offset: str = "", seed: int = 0) -> None:
    """A smooth JPEG; each seed gives another one."""
    exif, cells = Image.Exif(), np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    if time:
        details = exif.get_ifd(ExifTags.IFD.Exif)
        details[ExifTags.Base.DateTimeOriginal] = f"2026:03:01 {time}"
        if offset:
            details[ExifTags.Base.OffsetTimeOriginal] = offset
    out = io.BytesIO()
    Image.fromarray(cells).resize((320, 240), Image.Resampling.BICUBIC).save(out, "JPEG", exif=exif)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(out.getvalue())


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter bundle with a threshold of 0, so every sequence is positive."""
    starter = read_bundle(STARTER)
    manifest = msgspec.structs.replace(starter.manifest, name="eager", decision_rule=DecisionRule(0.0))
    path = tmp_path_factory.mktemp("bundle") / "eager-1.uncia"
    path.write_bytes(write_bundle(manifest, starter.members))
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backbone's folder with the starter's network."""
    starter, folder = read_bundle(STARTER), tmp_path_factory.mktemp("backbone")
    about, model = starter.manifest.backbone, starter.members[MODEL]
    (folder / INT8).write_bytes(model)
    sha256 = {INT8: starter.manifest.sha256[MODEL]}
    size, features = starter.manifest.input_size, about.features
    said = BackboneDescription(about.name, "pooled", size, features, about.weights_sha256, {}, sha256)
    (folder / DESCRIPTION).write_bytes(msgspec.json.encode(said))
    return folder


def run(command: str, data: Path, out: Path, bundle: Path, backbone: Path, *more: str) -> int:
    """Runs one command on a data set."""
    own = {
        "fit": ["--positive", "snow_leopard", "--backbone-dir", str(backbone), "--out", str(out / "run")],
        "compare": ["--positive", "snow_leopard", "--system", "L120", "--repeats", "1", "--out", str(out / "compare")],
        "evaluate": ["--bundle", str(bundle), "--json", str(out / "evaluated.json")],
        AGAINST: ["--bundle", str(bundle), "--against", str(bundle), "--json", str(out / "evaluated.json")],
        "features": ["--positive", "snow_leopard", "--bundle", str(bundle), "--out", str(out / "f.parquet")],
    }
    return main([command.split(maxsplit=1)[0], "--data", str(data), *own[command], *more])


def evaluated(data: Path, out: Path, bundle: Path, *more: str) -> dict[str, Any]:
    assert run("evaluate", data, out, bundle, out, *more) == 0
    report: dict[str, Any] = json.loads((out / "evaluated.json").read_text())
    return report


def table(folder: Path, *rows: str) -> Path:
    (folder / "labels.csv").write_text("\n".join(["file,label,sequence", *rows]) + "\n")
    return folder / "labels.csv"


def mixed(folder: Path) -> Path:
    """COCO data: one picture with an ibex first and a leopard second."""
    picture(folder / "a.jpg")
    content = {
        "images": [{"id": "1", "file_name": "a.jpg"}],
        "annotations": [{"image_id": "1", "category_id": number} for number in (1, 2)],
        "categories": [{"id": 1, "name": "ibex"}, {"id": 2, "name": "snow_leopard"}],
    }
    (folder / "c.json").write_text(json.dumps(content))
    return folder / "c.json"


def test_evaluate_takes_the_positive_of_two_labels(tmp_path: Path, bundle: Path) -> None:
    """The bundle names the positive label."""
    assert evaluated(mixed(tmp_path), tmp_path, bundle)["per_image"][0]["label"] == "snow_leopard"


def test_features_takes_the_positive_of_two_labels(tmp_path: Path, bundle: Path) -> None:
    """`--positive` names the positive label."""
    parquet = pytest.importorskip("pyarrow.parquet")
    assert run("features", mixed(tmp_path), tmp_path, bundle, tmp_path) == 0
    assert parquet.read_table(tmp_path / "f.parquet")["label"].to_pylist() == ["snow_leopard"]


def test_a_burst_with_an_empty_first_frame_is_positive(tmp_path: Path, bundle: Path) -> None:
    """One positive frame is enough; the bundle with threshold 0 is right about it."""
    for n in range(2):
        picture(tmp_path / f"{n}.jpg", seed=n)
    report = evaluated(table(tmp_path, "0.jpg,blank,s", "1.jpg,snow_leopard,s"), tmp_path, bundle)
    assert (report["sequences"]["n"], report["sequences"]["accuracy"]) == (1, 1.0)


@pytest.mark.parametrize(("zone", "count"), [("5", 1), ("0", 2)], ids=["the cameras'", "another"])
def test_evaluate_makes_sequences_by_time(tmp_path: Path, bundle: Path, zone: str, count: int) -> None:
    """With the offset of EXIF; if there is none, with the given zone."""
    picture(tmp_path / "0.jpg", "10:00:00", "+05:00")
    picture(tmp_path / "1.jpg", "10:00:05")
    report = evaluated(table(tmp_path, "0.jpg,ibex,", "1.jpg,ibex,"), tmp_path, bundle, "--utc-offset", zone)
    assert report["sequences"]["n"] == count


def other_formats(folder: Path) -> Path:
    """A CSV of a PNG, a TIFF, a WebP and a GIF."""
    picture(folder / "a.jpg")
    for kind in ("png", "tif", "webp", "gif"):
        Image.open(folder / "a.jpg").save(folder / f"a.{kind}")
    return table(folder, *(f"a.{kind},ibex," for kind in ("png", "tif", "webp", "gif")))


def test_evaluate_reads_png_tiff_and_webp(tmp_path: Path, bundle: Path) -> None:
    """The GIF is a failure and is named."""
    report = evaluated(other_formats(tmp_path), tmp_path, bundle)
    assert (report["images"]["n"], report["sequences"]["n"]) == (3, 3)
    assert report["failures"] == [{"file": "a.gif", "reason": "a GIF: expected JPEG, PNG, TIFF or WebP"}]


def test_features_reads_png_tiff_and_webp(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The GIF is a failure and is named."""
    pytest.importorskip("pyarrow")
    assert run("features", other_formats(tmp_path), tmp_path, bundle, tmp_path) == 0
    said = capsys.readouterr()
    assert "a.gif: a GIF: expected JPEG, PNG, TIFF or WebP; no features" in said.err
    assert "4 rows of 4 pictures, 1 unreadable" in said.out


@pytest.mark.heavy
@pytest.mark.parametrize("command", COMMANDS)
def test_data_without_one_readable_picture_are_refused(
    command: str, tmp_path: Path, bundle: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line that names the first picture, and no figures."""
    labels = ("snow_leopard", "snow_leopard", "ibex", "ibex")
    data = table(tmp_path, *(f"{number}.jpg,{label}," for number, label in enumerate(labels)))
    code = run(command, data, tmp_path, bundle, backbone)
    said = capsys.readouterr()
    assert (code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "none of 4 pictures can be read; the first: 0.jpg: cannot be read: No such file" in said.err
    assert not (tmp_path / "f.parquet").exists() and not (tmp_path / "evaluated.json").exists()


@pytest.mark.parametrize("split", ["test", "tune", "Tune"])
@pytest.mark.parametrize("command", ["fit", "compare"])
def test_test_and_tune_pictures_are_never_used_for_training(
    tmp_path: Path, bundle: Path, backbone: Path, command: str, split: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """If there are no others, the command ends and gives the reason."""
    for n in range(2):
        picture(tmp_path / f"{n}.jpg", seed=n)
    rows = ["file,label,split", f"0.jpg,snow_leopard,{split}", f"1.jpg,other,{split}"]
    (tmp_path / "labels.csv").write_text("\n".join(rows))
    assert run(command, tmp_path / "labels.csv", tmp_path, bundle, backbone) == 2
    assert "`tune`, which are not used for training" in capsys.readouterr().err


@pytest.mark.parametrize("command", COMMANDS)
def test_a_label_written_in_another_way_is_refused(
    command: str, tmp_path: Path, bundle: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line that names both labels."""
    code = run(command, table(tmp_path, "0.jpg,Snow Leopard,", "1.jpg,ibex,"), tmp_path, bundle, backbone)
    said = capsys.readouterr().err
    assert (code, said.count("\n"), "'Snow Leopard'" in said, "'snow_leopard'" in said) == (2, 1, True, True)


def boxed(folder: Path) -> Path:
    """A still with a box around its lower right part, and one without."""
    for n in range(2):
        picture(folder / f"{n}.jpg", seed=n)
    (folder / "b.csv").write_text("file,left,top,right,bottom\n0.jpg,0.5,0.5,0.75,0.75\n")
    return table(folder, "0.jpg,snow_leopard,", "1.jpg,ibex,")


def test_evaluate_scores_sequences_by_their_boxes(tmp_path: Path, bundle: Path) -> None:
    """With `--boxes` the still with a box has another score."""
    data = boxed(tmp_path)
    with_box = [picture.box is not None for picture in read_data(data, boxes=tmp_path / "b.csv")]
    plain = Evaluator(read_bundle(bundle), 1)
    whole, by_box = (
        [plain.score_sequence([one]) for one in read_data(data, boxes=boxes)] for boxes in (None, tmp_path / "b.csv")
    )
    assert [one != other for one, other in zip(whole, by_box, strict=True)] == with_box == [True, False]


def test_features_of_a_box_are_a_row_of_their_own(tmp_path: Path, bundle: Path) -> None:
    """The box is widened by the rule, also for a still; without `--boxes` there is no such row."""
    parquet = pytest.importorskip("pyarrow.parquet")
    data = boxed(tmp_path)
    assert run("features", data, tmp_path, bundle, tmp_path) == 0
    assert parquet.read_table(tmp_path / "f.parquet")["view"].to_pylist() == ["whole", "whole"]
    assert run("features", data, tmp_path, bundle, tmp_path, "--boxes", str(tmp_path / "b.csv")) == 0
    rows = parquet.read_table(tmp_path / "f.parquet").to_pylist()
    assert [(row["file"], row["view"]) for row in rows] == [("0.jpg", "whole"), ("0.jpg", "region"), ("1.jpg", "whole")]
    assert np.allclose(
        [rows[1][side] for side in ("left", "top", "width", "height")], [0.4625, 0.4083, 0.325, 0.4333], atol=0.03
    )


def test_fit_and_compare_use_boxes(tmp_path: Path) -> None:
    """They take the crops of this pass."""
    pictures = read_data(boxed(tmp_path), boxes=tmp_path / "b.csv")
    _, crops = pass_over(pictures, RegionRule(), [], lambda picture: True, 1)
    assert [(crop.picture.file, crop.region is not None) for crop in crops] == [
        ("0.jpg", False), ("0.jpg", True), ("1.jpg", False)]  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_boxes_without_a_file_are_those_of_the_data(
    command: str, tmp_path: Path, bundle: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A CSV without box columns gives an error."""
    assert run(command, boxed(tmp_path), tmp_path, bundle, backbone, "--boxes") == 2
    assert "labels.csv, line 1: no column left or top or right or bottom" in capsys.readouterr().err


TOO_FEW = {
    "one positive": (["5,snow_leopard,,"], "'snow_leopard' has 1 sequence"),
    "one sequence": (["5,snow_leopard,s,", "6,snow_leopard,s,"], "'snow_leopard' has 1 sequence"),
    "negatives of one other source": (["5,snow_leopard,,x", "6,snow_leopard,,x"], "pictures of 'other' are one unit"),
    "no readable positive": (["x,snow_leopard,,", "y,snow_leopard,,"], "(2 pictures cannot be read)"),
}


@pytest.mark.heavy
@pytest.mark.parametrize("kind", TOO_FEW)
def test_fit_refuses_a_class_of_one_unit(
    kind: str, tmp_path: Path, bundle: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line: if this unit is held out, the class has no training pictures."""
    rows, message = TOO_FEW[kind]
    for n in range(7):
        picture(tmp_path / str(n), seed=n)
    (tmp_path / "l.csv").write_text(
        "\n".join(["file,label,sequence,source", *(f"{n},ibex,," for n in range(5)), *rows])
    )
    code = run("fit", tmp_path / "l.csv", tmp_path, bundle, backbone, "--split", "source")
    said = capsys.readouterr().err
    assert (code, said.count("\n"), message in said) == (2, 1, True)


def test_an_archive_has_no_positives(tmp_path: Path, bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Its pictures have no labels."""
    command = ["features", "--archive", str(tmp_path), "--bundle", str(bundle), "--out", str(tmp_path / "f.parquet")]
    assert main([*command, "--positive", "cat"]) == 2
    assert "--positive: the pictures of an archive have no labels" in capsys.readouterr().err


def every_kind(folder: Path) -> Path:
    """A folder per label: four pictures each, one without a time, two that fail, and files that are left out."""
    for number in range(8):
        label = ("snow_leopard", "ibex")[number % 2]
        picture(folder / label / f"{number}.jpg", "" if number == 7 else f"10:0{number}:00", seed=number)
    (folder / "ibex/8.jpg").write_bytes((folder / "ibex/7.jpg").read_bytes()[:200])
    Image.open(folder / "ibex/7.jpg").save(folder / "ibex/9.gif")
    for name in ("ibex/1.MOV", "ibex/1.heic", "ibex/1.dng", "ibex/@eaDir/1.jpg", "unsorted.jpg", "ibex/Thumbs.db"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"...")
    (folder / "again").symlink_to(folder / "ibex")
    return folder


KINDS_SUM = [
    "15 pictures found: 8 used (1 without a usable time), 2 failed (named above), 5 left out (1 hidden or in a system "
    "folder, 1 video, 1 raw, 1 HEIC, 1 without a label)",
    "not looked into: 1 linked folder",
]


@pytest.mark.heavy
@pytest.mark.parametrize("command", COMMANDS)
def test_the_counts_of_pictures_add_up(
    command: str, tmp_path: Path, bundle: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Found = used + failed + left out; each failure is named once; the reports have the same numbers."""
    assert run(command, every_kind(tmp_path / "data"), tmp_path, bundle, backbone) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-2:] == KINDS_SUM, said
    assert [(said.out + said.err).count(f"ibex/{name}: ") for name in ("8.jpg", "9.gif")] == [1, 1], said
    for report in (tmp_path / "evaluated.json", tmp_path / "compare/report.json"):
        if report.exists():
            told = json.loads(report.read_text())["pictures"]
            assert told["found"] == told["used"] + told["failed"] + sum(told["left_out"].values()) == 15


@pytest.mark.heavy
@pytest.mark.parametrize(
    ("command", "told"),
    [
        (
            "fit",
            "11 pictures found: 8 used (8 without a usable time), 1 failed (named above), 2 left out (2 of split test "
            "or tune)",
        ),
        (
            "compare",
            "11 pictures found: 9 used (9 without a usable time), 1 failed (named above), 1 left out (1 copy of a test "
            "picture)",
        ),
        ("evaluate", "11 pictures found: 10 used (10 without a usable time), 1 failed (named above), 0 left out"),
        (
            AGAINST,
            "11 pictures found: 1 used (1 without a usable time), 1 failed (named above), 9 left out (9 not needed)",
        ),
    ],
    ids=["fit", "compare", "evaluate", AGAINST],
)
def test_unused_pictures_of_the_test_split_are_reported(
    command: str, told: str, tmp_path: Path, bundle: Path, backbone: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Test rows are never fitted; a training picture with the same bytes is not compared."""
    rows = ["file,label,split"]
    for number in range(9):
        picture(tmp_path / f"{number}.jpg", seed=number)
        rows.append(f"{number}.jpg,{('snow_leopard', 'ibex')[number % 2]},{'test' * (number == 8)}")
    (tmp_path / "copy.jpg").write_bytes((tmp_path / "8.jpg").read_bytes())
    rows += [f"copy.jpg,snow_leopard,{'test' * (command == 'fit')}", f"gone.jpg,ibex,{'tune' * (command == AGAINST)}"]
    (tmp_path / "l.csv").write_text("\n".join(rows) + "\n")
    assert run(command, tmp_path / "l.csv", tmp_path, bundle, backbone) == 0
    said = capsys.readouterr()
    assert (said.out.splitlines()[-1], (said.out + said.err).count("gone.jpg: ")) == (told, 1), said


@pytest.mark.heavy
@pytest.mark.parametrize("command", COMMANDS)
def test_a_label_folder_that_cannot_be_listed_is_named_and_the_rest_is_done(
    tmp_path: Path, bundle: Path, backbone: Path, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A real `chmod 000`: exit code 1, the sum counts the folder, and the results are written."""
    for n in range(12):
        picture(tmp_path / "data" / ("snow_leopard" if n % 2 else "ibex") / f"{n}.jpg", seed=n)
    locked = tmp_path / "data/ibex/later"
    locked.mkdir()
    locked.chmod(0)
    with obeying_rights():
        assert run(command, tmp_path / "data", tmp_path, bundle, backbone) == 1
    said = capsys.readouterr()
    assert f"{locked}: cannot be read (Permission denied)" in said.err
    assert "12 pictures found: 12 used" in said.out and "1 unreadable folder" in said.out
    locked.chmod(0o755)
