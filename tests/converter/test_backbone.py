"""`uncia-convert backbone` writes a folder with a description, or prints one line and exits with code 2."""

import hashlib
import io
import json
import shutil
from contextlib import redirect_stdout
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_contract.model.interpreter import Interpreter
from uncia_contract.runs.labels import sequences
from uncia_converter import backbone
from uncia_converter.cli import main

ROW = "backbone --backbone efficientnet-lite0 --weights random:1"


@pytest.fixture(scope="module")
def labels(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four noisy pictures, a broken one, and their CSV."""
    folder = tmp_path_factory.mktemp("pictures")
    for index in range(4):
        noise = np.random.default_rng(index).integers(0, 256, (60, 80, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{index}.jpg")
    (folder / "labels.csv").write_text(
        "file,label,split\n0.jpg,cat,\n1.jpg,blank,\n2.jpg,cat,test\n3.jpg,cat,\n4.jpg,dog,\n"
    )
    (folder / "4.jpg").write_bytes(b"no picture")
    (folder / "gone.csv").write_text("file,label\na.jpg,cat\nb.jpg,blank\n")
    (folder / "folders/cat").mkdir(parents=True)
    shutil.copy(folder / "0.jpg", folder / "folders/cat")
    return folder / "labels.csv"


@pytest.fixture(scope="module")
def made(labels: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder made with two of the pictures, and the command's output beside it."""
    out = tmp_path_factory.mktemp("backbone") / "new"
    with redirect_stdout(io.StringIO()) as said:
        assert main([*ROW.split(), "--calibration", str(labels), "--pictures", "2", "--out", str(out)]) == 0
    out.with_name("said").write_text(said.getvalue())
    return out


def test_it_reports_its_progress(made: Path) -> None:
    """The three steps take minutes; each is counted to its end."""
    said = made.with_name("said").read_text().splitlines()
    ends = [
        "finding ranges, steps: 3 of 3",
        "rounding weights, pictures: 2 of 2",
        "correcting biases, layers: 49 of 49",
    ]
    assert [said.count(f"uncia-convert: {end}") for end in ends] == [1, 1, 1]
    assert sum("correcting biases" in line for line in said) == 10


def test_it_ends_with_the_sum_of_its_pictures(made: Path) -> None:
    """Of five rows, two are used, one is of the test split, one is broken, one is not needed."""
    said = made.with_name("said").read_text()
    told = "5 pictures found: 2 used (2 without a usable time), 1 failed (named above), 2 left out "
    assert said.splitlines()[-1] == f"uncia-convert: {told}(1 of split test or tune, 1 not needed)"
    assert said.count("uncia-convert: 4.jpg: not a JPEG") == 1


def test_the_description_tells_what_was_made(made: Path) -> None:
    """backbone.json has the network, input size, features, calibration and versions."""
    said = json.loads((made / "backbone.json").read_bytes())
    kept = {
        key: said[key] for key in ("schema", "backbone", "layer", "cut", "input_size", "features", "weights_sha256")
    }
    assert kept == {
        "schema": "uncia.backbone/1",
        "backbone": "efficientnet-lite0",
        "layer": "pooled",
        "cut": None,
        "input_size": [224, 224],
        "features": 1280,
        "weights_sha256": "random:1",
    }
    assert said["calibration"]["strata"] == {"day/blank": 1, "day/cat": 1}


def test_the_description_names_the_files_by_hash(made: Path) -> None:
    """Both models, and no other files."""
    hashes = json.loads((made / "backbone.json").read_bytes())["sha256"]
    found = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in made.glob("*.tflite")}
    assert hashes == found
    assert set(found) == {"backbone.tflite", "float.tflite"}


def test_the_contract_loads_the_model(made: Path) -> None:
    """The trap's interpreter loads it and gives 1280 features."""
    interpreter = Interpreter((made / "backbone.tflite").read_bytes())
    [features] = interpreter.run(np.zeros((224, 224, 3), np.uint8), interpreter.outputs)
    assert (interpreter.size, features.shape) == ((224, 224), (1280,))


@pytest.mark.parametrize(("zone", "bursts"), [("5", 1), ("0", 2)], ids=["the cameras'", "another"])
def test_calibration_pictures_are_grouped_in_the_zone_that_is_given(
    zone: str, bursts: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A time with an offset and one without are five seconds apart in the given zone."""
    for number, time in enumerate(("2026-03-01T10:00:00+05:00", "2026-03-01T10:00:05")):
        Image.new("RGB", (80, 60)).save(tmp_path / f"{number}.jpg")
        with (tmp_path / "l.csv").open("a") as rows:
            rows.write("file,label,location,datetime\n" * (number == 0) + f"{number}.jpg,cat,pass,{time}\n")
    found: list[int] = []
    monkeypatch.setattr(backbone, "choose", lambda pictures, *rest: found.append(len(sequences(pictures))))
    with pytest.raises(AttributeError):  # nothing was chosen
        main(
            [*ROW.split(), "--calibration", str(tmp_path / "l.csv"), "--out", str(tmp_path / "x"), "--utc-offset", zone]
        )
    assert found == [bursts]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("--calibration nowhere.csv --out {out}", "nowhere.csv: no such file"),
        ("--calibration {labels} --out {out} --cut stage3", "no cut 'stage3'"),
        ("--calibration {labels} --out {out} --weights random:", "expected random:SEED"),
        ("--calibration {labels} --out {labels}/x --weights random:1", "choose another --out"),
        ("--calibration {folder}/gone.csv --out {out}", "none of 2 calibration pictures can be read; the first: "),
        ("--calibration {folder}/folders --out {out} --cut stage3", "no cut 'stage3'"),
    ],
    ids=[
        "no CSV",
        "no such cut",
        "bad seed",
        "cannot be written",
        "no readable picture",
        "a folder for each label is read",
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(
    labels: Path, tmp_path: Path, arguments: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """No traceback; the line says what to do."""
    line = f"{ROW} {arguments.format(labels=labels, folder=labels.parent, out=tmp_path)}"
    assert main(line.split()) == 2
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1


def test_the_edge_tpu_takes_the_model(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`uncia-convert edgetpu` lists nothing."""
    assert main(["edgetpu", str(made / "backbone.tflite")]) == 0
    assert "no objections" in capsys.readouterr().out


def test_the_edge_tpu_does_not_take_the_float_model(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 1, and a line for each tensor of each operator."""
    assert main(["edgetpu", str(made / "float.tflite")]) == 1
    assert "is float32, expected int8 or uint8" in capsys.readouterr().out
