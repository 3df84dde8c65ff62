"""ResNet-50, from its weights to the trap's classifier: backbone, head, gate, bundle, probes; and all systems of a
comparison on it. Minutes, hence slow."""

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.manifest import MODEL
from uncia_contract.pictures.preprocessing import model_input
from uncia_converter.cli import main as convert
from uncia_edge.cli.main import main as trap
from uncia_training.cli.main import main as train

GOLDEN = Path(__file__).parents[3] / "shared" / "golden" / "resnet50v2_stage3_weights.npz"
MB = 1_000_000
EACH = 20

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="TensorFlow's wheels")]


@pytest.fixture(scope="module")
def labels_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty warm, spotted pictures to find among twenty cold, striped ones; each with a brightness of its own."""
    folder = tmp_path_factory.mktemp("pictures")
    rows = ["file,label,sequence,source"]
    for number in range(2 * EACH):
        label = "cat" if number % 2 else "other"
        _picture(number, label == "cat").save(folder / f"{number:02}.jpg", quality=92)
        rows.append(f"{number:02}.jpg,{label},s{number:02},web")
    (folder / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder / "labels.csv"


def _picture(number: int, spotted: bool) -> Image.Image:
    chance = np.random.default_rng(number)
    rows, columns = np.mgrid[0:256, 0:256] / chance.uniform(4, 9)
    pattern = np.sin(rows) * np.sin(columns) if spotted else np.sin(rows + columns / 7)
    colour = np.array([170, 130, 80] if spotted else [70, 110, 150]) * chance.uniform(0.7, 1.2)
    pixels = colour + 50 * pattern[..., None] + chance.normal(0, 12, (256, 256, 3))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))


def made(labels_csv: Path, folder: Path, *backbone: str) -> Bundle:
    """The bundle of that backbone, by the three commands."""
    backbone_dir, run, out = folder / "backbone", folder / "run", folder / "cats-1.uncia"
    csv = str(labels_csv)
    assert convert(["backbone", *backbone, "--calibration", csv, "--out", str(backbone_dir)]) == 0
    fit = ["fit", "--data", csv, "--positive", "cat", "--name", "cats", "--backbone-dir", str(backbone_dir)]
    assert train([*fit, "--out", str(run)]) == 0
    assert convert(["bundle", str(run), "--out", str(out)]) == 0
    return read_bundle(out)


def tells_them_apart(bundle: Bundle, labels_csv: Path) -> bool:
    """On the trap's own classifier, its probes reproduced."""
    classifier = Classifier(bundle)
    classifier.check_probes()
    scores = [
        classifier.score(model_input((labels_csv.parent / f"{number:02}.jpg").read_bytes(), (224, 224)))
        for number in range(2 * EACH)
    ]
    return max(scores[::2]) < 0.5 < min(scores[1::2])


def test_resnet50v2_cut_after_stage_3_passes_the_gate(labels_csv: Path, tmp_path: Path) -> None:
    """With its real weights, per channel, scored by the trap's classifier."""
    if not GOLDEN.exists():
        pytest.fail(f"{GOLDEN} is missing: the weights of the ONNX model zoo's ResNet-50 v2")
    bundle = made(labels_csv, tmp_path, "--backbone", "resnet50v2", "--cut", "stage3", "--weights", str(GOLDEN))
    assert (bundle.head.features, tells_them_apart(bundle, labels_csv)) == (1024, True)
    assert bundle.manifest.parity["validation"]["problems"] == []
    assert len(bundle.members[MODEL]) <= 10 * MB


def compared(labels_csv: Path, folder: Path, *backbone: str) -> dict:
    """The report of all systems on that backbone, dealt into folds once."""
    out = ["--out", str(folder / "run"), "--cache", str(folder / "cache"), "--repeats", "1"]
    assert train(["compare", "--data", str(labels_csv), "--positive", "cat", "--system", "all", *backbone, *out]) == 0
    return json.loads((folder / "run" / "report.json").read_text())


def packed(folder: Path, system: str) -> Bundle:
    out = folder / f"{system}.uncia"
    assert convert(["bundle", str(folder / "run"), "--system", system, "--out", str(out)]) == 0
    return read_bundle(out)


def test_rn3_and_its_kin_are_compared_in_float_and_int8_and_packed(labels_csv: Path, tmp_path: Path) -> None:
    """The real weights of ResNet-50 v2 up to its third stage; each of the three passes the gate onto the trap."""
    backbone = ("--backbone", "resnet50v2", "--cut", "stage3", "--weights", str(GOLDEN))
    content = compared(labels_csv, tmp_path, *backbone)
    kin = ["RN3", "RN3+A", "RN3+A+E"]
    assert [one["name"] for one in content["systems"]] == ["L120", *kin, "uncia", "uncia-no-regions"]
    assert [one["name"] for one in content["systems"] if "int8" in one] == kin
    assert all(tells_them_apart(packed(tmp_path, system), labels_csv) for system in kin)


def test_resnet50_takes_every_system_and_the_trap_with_random_weights(labels_csv: Path, tmp_path: Path) -> None:
    """All seven rows, the second-to-last layer whole (100,352 features); RN1 in at most 26 MB scores a card."""
    content = compared(labels_csv, tmp_path, "--backbone", "resnet50", "--weights", "random:7")
    assert [one["name"] for one in content["systems"]] == [
        "L120", "RN1", "RN2", "RN2+A", "RN2+A+E", "uncia", "uncia-no-regions"]  # fmt: skip
    [stored] = (tmp_path / "cache" / "features").glob("resnet50-float-*/map")
    rows = (stored / "keys.txt").read_text().split()
    assert (stored / "rows.bin").stat().st_size == 2 * 7 * 7 * 2048 * len(rows)
    page = (tmp_path / "run" / "report.html").read_text()
    assert "resnet50 with random weights: no accuracy is claimed from it" in page
    bundle = packed(tmp_path, "RN1")
    assert (bundle.head.features, tells_them_apart(bundle, labels_csv)) == (2048, True)
    assert (tmp_path / "RN1.uncia").stat().st_size <= 26 * MB
    assert scored_on_the_trap(tmp_path / "RN1.uncia", labels_csv.parent) == 2 * EACH


def scored_on_the_trap(bundle: Path, card: Path) -> int:
    """How many pictures of a card `uncia-trap score` scores."""
    out = bundle.with_suffix(".json")
    assert trap(["score", str(card), "--bundle", str(bundle), "--json", str(out)]) == 0
    return sum("failure" not in image for image in json.loads(out.read_text())["images"])
