"""`fit`, `compare` and `fit-parquet` give equal heads for equal data, and decode each picture once."""

import json
from collections import Counter
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import head_from_bytes
from uncia_contract.pictures import other_formats
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.run_folder import read_run
from uncia_training.cli.main import main
from uncia_training.comparison import compare as comparing
from uncia_training.features.augmentation import AUGMENTATIONS
from uncia_training.features.backbone_folder import read_backbone
from uncia_training.features.extract import Int8Network
from uncia_training.features.networks import INT8, Networks
from uncia_training.fitting.parquet_fit import fit_parquet

pytestmark = pytest.mark.heavy

FRAMES, BURSTS = 3, 12


def frame(kind: str, number: int, place: int) -> np.ndarray:
    """A slope of one place with a red cat or a green goat, which moves from frame to frame."""
    hills = np.random.default_rng(place).integers(60, 160, (7, 9, 3), dtype=np.uint8)
    ground = np.array(Image.fromarray(hills).resize((90, 68)))
    left, top = 8 + 20 * number, 20 + 3 * (place % 5)
    ground[top : top + 14, left : left + 18] = (150, 15, 15) if kind == "cat" else (10, 80, 20)
    return ground


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve bursts of three pictures at six places, half of them cats; one is a test burst."""
    folder = tmp_path_factory.mktemp("data")
    lines = ["file,label,sequence,location,source,split"]
    for burst in range(BURSTS):
        kind = ("cat", "goat")[burst % 2]
        for number in range(FRAMES):
            name = f"{kind}{burst}-{number}.jpg"
            Image.fromarray(frame(kind, number, burst)).save(folder / name)
            lines.append(f"{name},{kind},s{burst},p{burst // 2},made,{'test' if burst >= 10 else ''}")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(scope="module")
def backbone() -> Path:
    """A small quantized network with seeded weights."""
    return Path(__file__).parents[2] / "fixtures" / "release-0.1" / "workstation" / "backbone"


def fitted(data: Path, backbone: Path, out: Path, *more: str) -> Path:
    """The run of `uncia-train fit`."""
    line = ["fit", "--data", str(data / "labels.csv"), "--positive", "cat", "--backbone-dir", str(backbone)]
    assert main([*line, "--out", str(out), *more]) == 0
    return out


@pytest.fixture(scope="module")
def run(data: Path, backbone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs the command with its defaults."""
    return fitted(data, backbone, tmp_path_factory.mktemp("runs") / "run")


def test_fit_leaves_a_run_that_separates_cats_from_goats(run: Path) -> None:
    """Held-out figures, the label's name, the feature cache beside the run, and what the figures are of."""
    found = read_run(run)
    assert found.metrics["all"]["roc_auc"] > 0.95
    assert (found.name, found.training["split"], found.training["figures"].split(":")[0]) == (
        "cat", "location", "cross-validated")  # fmt: skip
    assert list((run.parent / "cache" / "features").glob("small-int8-*/pooled/rows.bin"))


def test_the_test_burst_is_not_used_for_training(run: Path) -> None:
    """Features exist only for ten bursts of three, in all views of whole frame and region."""
    assert read_run(run).training["pictures"] == {"cat": 15, "goat": 15}
    [keys] = (run.parent / "cache").glob("features/*/pooled/keys.txt")
    rows, views = read_run(run).metrics["all"]["n"], len(AUGMENTATIONS)
    assert len(keys.read_text().split()) == views * rows > views * 30


OPTIONS = {
    "defaults": [],
    "all that a person may choose": ["--split", "source", "--seed", "3", "--prevalence", "0.1"],
    "whole sequences": ["--split", "sequence"],
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_fit_and_compare_leave_equal_heads(
    options: list[str], data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Byte for byte, the gate's heads too; each command computes its own features."""
    folder = read_backbone(backbone)
    made = Networks({INT8: Int8Network("small", folder.model)}, folder)
    monkeypatch.setattr(comparing, "networks", lambda *arguments: made)
    line = ["compare", "--data", str(data / "labels.csv"), "--positive", "cat", "--system", "uncia", "--repeats", "1"]
    assert main([*line, "--out", str(tmp_path / "compare" / "run"), *options]) == 0
    alone = fitted(data, backbone, tmp_path / "fit" / "run", *options)
    for name in ("head.npz", "held-out.npz"):
        other = tmp_path / "compare" / "run" / "systems" / "uncia" / name
        assert (alone / name).read_bytes() == other.read_bytes()


def test_the_comparisons_report_names_the_heads_of_its_figures(
    data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cross-validated heads, not the exported one: on the page, in report.json and in run.json."""
    folder = read_backbone(backbone)
    made = Networks({INT8: Int8Network("small", folder.model)}, folder)
    monkeypatch.setattr(comparing, "networks", lambda *arguments: made)
    line = ["compare", "--data", str(data / "labels.csv"), "--positive", "cat", "--system", "uncia", "--repeats", "1"]
    assert main([*line, "--out", str(tmp_path / "run")]) == 0
    told = json.loads((tmp_path / "run" / "report.json").read_text())["settings"]["figures"]
    assert told.startswith("cross-validated: of heads that did not learn from what they score")
    assert told in (tmp_path / "run" / "report.html").read_text()
    assert read_run(tmp_path / "run" / "systems" / "uncia").training["figures"] == told


@pytest.fixture(scope="module")
def season(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten days of four traps: a goat each day, and every other day a cat or a lynx too."""
    folder = tmp_path_factory.mktemp("season")
    lines = ["file,label,sequence,location,datetime"]
    for day, trap in product(range(10), range(4)):
        for kind in ("goat", "cat")[: 1 + (day + trap) % 2]:
            name = f"{trap}-{day}-{kind}.jpg"
            Image.fromarray(frame(kind, day % 3, 10 * trap + day)).save(folder / name)
            label = kind if kind == "goat" or day % 3 else "lynx"
            lines.append(f"{name},{label},{name},p{trap},2026-03-{day + 1:02}T1{kind == 'cat':d}:00:00")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_fit_obeys_the_limit_of_false_alarms_a_day(season: Path, backbone: Path, tmp_path: Path) -> None:
    """No alarm, and one a day for each trap, which allows all: every trap has one goat a day."""
    options = ["--positive", "lynx", "--cache", str(tmp_path / "cache"), "--max-false-alarms-per-day"]
    strict, lax = (
        read_run(fitted(season, backbone, tmp_path / rate, *options, rate)).training["threshold"] for rate in ("0", "1")
    )
    assert (strict["false_alarms"], lax["false_alarms"], lax["recall"]) == (0.0, 1.0, 1.0)
    assert lax["value"] < strict["value"]


def test_a_run_states_the_prior_of_its_probabilities(season: Path, backbone: Path, tmp_path: Path) -> None:
    """By default of equal classes, so two of three are positive; else the given one."""
    options = ["--positive", "lynx", "--cache", str(tmp_path / "cache")]
    runs = [
        fitted(season, backbone, tmp_path / str(len(more)), *options, *more) for more in ([], ["--prevalence", "0.1"])
    ]
    assert [read_run(one).calibration_prior for one in runs] == [2 / 3, 0.1]


def test_each_picture_is_read_and_decoded_once(
    data: Path, backbone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For region, content hash, near-duplicates and the features of whole frame and region together."""
    read, decoded = Counter[str](), []
    opened, open_image = other_formats.opened_as_jpeg, Image.open

    def reading(path: Path) -> bytes:
        read[path.name] += 1
        return opened(lambda: path.open("rb"))

    monkeypatch.setattr("uncia_training.datasets.pictures.read_as_jpeg", reading)
    monkeypatch.setattr(Image, "open", lambda *given, **more: decoded.append(1) or open_image(*given, **more))
    fitted(data, backbone, tmp_path / "run")
    assert (set(read.values()), len(read), len(decoded)) == ({1}, FRAMES * BURSTS, FRAMES * BURSTS)


def test_a_second_fit_computes_no_features(
    data: Path, backbone: Path, run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are in the cache; the run is the same."""
    monkeypatch.setattr(Int8Network, "__call__", lambda self, image: pytest.fail("computed again"))
    again = fitted(data, backbone, tmp_path / "run", "--cache", str(run.parent / "cache"))
    assert (again / "run.json").read_bytes() == (run / "run.json").read_bytes()


@pytest.fixture(scope="module")
def parquet_run(data: Path, backbone: Path, run: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `fit-parquet`, with the penalty that `fit` chose."""
    pytest.importorskip("pyarrow.parquet")
    folder = tmp_path_factory.mktemp("parquet")
    table, source = str(folder / "f.parquet"), ["--data", str(data / "labels.csv"), "--backbone-dir", str(backbone)]
    assert main(["features", *source, "--positive", "cat", "--out", table]) == 0
    c = str(read_run(run).training["penalty"]["c"])
    assert main(["fit-parquet", table, "--positive", "cat", "--c", c, *source, "--out", str(folder / "run")]) == 0
    return folder / "run"


def test_fit_parquet_ends_with_the_sum_of_its_pictures(
    data: Path, backbone: Path, run: Path, parquet_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The test bursts are not used for training; a new picture has no features yet."""
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    rows = (data / "labels.csv").read_text().splitlines()
    more = [rows[0], *(f"{data}/{row}" for row in rows[1:]), "broken.jpg,goat,,,,"]
    (tmp_path / "labels.csv").write_text("\n".join([*more, f"{data / 'new.jpg'},goat,,,,"]) + "\n")
    source = ["--backbone-dir", str(backbone), "--positive", "cat"]
    (tmp_path / "first.csv").write_text("\n".join(more) + "\n")
    table = str(tmp_path / "f.parquet")
    assert main(["features", *source, "--data", str(tmp_path / "first.csv"), "--out", table]) == 0
    capsys.readouterr()
    given = ["--data", str(tmp_path / "labels.csv"), "--c", "0.01", "--out", str(tmp_path / "run")]
    assert main(["fit-parquet", table, *source, *given]) == 0
    said = capsys.readouterr()
    assert said.out.splitlines()[-1] == (
        "38 pictures found: 30 used, 1 failed (named above), 7 left out (6 of split test or tune, 1 not needed)"
    )
    assert said.err.count("broken.jpg: ") == 1


def scores(bundle: Path, data: Path) -> list[float]:
    """The scores of the test burst and one more burst, by the trap's classifier."""
    classifier = Classifier(read_bundle(bundle))
    classifier.check_probes()
    size = classifier.manifest.input_size
    names = [f"{name}-{number}.jpg" for name in ("cat10", "goat11", "cat2", "goat3") for number in range(FRAMES)]
    return [float(classifier.score(model_input((data / name).read_bytes(), size))) for name in names]


def test_fit_parquets_run_becomes_a_bundle_by_the_same_command(
    data: Path, run: Path, parquet_run: Path, tmp_path: Path
) -> None:
    """The trap's classifier decides the same with it as with the bundle of `fit`, trained on all views."""
    from uncia_converter.cli import main as convert

    found = []
    for number, one in enumerate((run, parquet_run)):
        out = tmp_path / f"{number}.uncia"
        assert convert(["bundle", str(one), "--out", str(out)]) == 0
        found.append(scores(out, data))
    assert np.corrcoef(found)[0, 1] > 0.9
    assert [score >= 0.5 for score in found[0]] == [score >= 0.5 for score in found[1]]


def test_fit_parquets_head_is_that_of_its_features(parquet_run: Path) -> None:
    """With the given penalty, on the rows of whole frames and regions."""
    table, c = str(parquet_run.parent / "f.parquet"), read_run(parquet_run).training["penalty"]["c"]
    linear, rows = fit_parquet(table, ["cat"], c)
    assert rows > read_run(parquet_run).training["pictures"]["cat"] * 2
    assert np.allclose(head_from_bytes((parquet_run / "head.npz").read_bytes()).weights, linear.weights, rtol=1e-4)


MISTAKES = {
    "a backbone without data": (["--backbone-dir", "b"], "a run needs both"),
    "data that lack a picture": (["--backbone-dir", "{backbone}", "--data", "{few}"], "which --data lacks"),
    "features of another network": (["--backbone-dir", "{backbone}", "--data", "{data}"], "another network"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_options_that_do_not_fit_together_are_refused(
    mistake: str, data: Path, backbone: Path, parquet_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2, one line and no run."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pq.read_table(parquet_run.parent / "f.parquet")
    if mistake == "features of another network":
        place, kind = table.schema.get_field_index("features"), table.schema.field("features").type
        other = [[1.0 + value for value in row] for row in table["features"].to_pylist()]
        table = table.set_column(place, "features", pa.array(other, kind))
    pq.write_table(table, tmp_path / "f.parquet")
    few = tmp_path / "few.csv"
    few.write_text(f"file,label\n{data / 'cat0-0.jpg'},cat\n")
    names = {"backbone": backbone, "few": few, "data": data / "labels.csv"}
    arguments, message = MISTAKES[mistake]
    line = ["fit-parquet", str(tmp_path / "f.parquet"), "--positive", "cat", "--out", str(tmp_path / "run")]
    assert main([*line, *(argument.format(**names) for argument in arguments)]) == 2
    said = capsys.readouterr().err
    assert (said.count("\n"), message in said, (tmp_path / "run").exists()) == (1, True, False), said
