"""The gate: a model that does not decide as its float original does not become a bundle."""

import functools
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from sklearn.metrics import roc_auc_score

from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.quantize import float_model, int8_model
from uncia_backbones.weights import SeededTensors
from uncia_contract.decisions import DecisionRule
from uncia_contract.errors import BundleError, DataError
from uncia_contract.frames import BurstRule
from uncia_contract.heads import LogisticHead
from uncia_contract.labels import LabelledPicture
from uncia_contract.manifest import Backbone, Manifest
from uncia_contract.regions import RegionRule
from uncia_converter.parity import ParityError, measure_parity, require_parity, roc_auc

SIDE = 32
Models = tuple[bytes, bytes]


def manifest(threshold: float = 0.5) -> Manifest:
    return Manifest(
        name="test",
        version=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        labels=("other", "cat"),
        positive_labels=("cat",),
        input_size=(SIDE, SIDE),
        backbone=Backbone("small", "pooled", 8),
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(threshold),
        licence="none",
        sha256={},
    )


@pytest.fixture(scope="module")
def models() -> Callable[[int, int], Models]:
    """An integer and a float model, of one seed or of two; calibrated on pictures like ours."""

    def network(seed: int) -> keras.Model:
        graph = Graph(SeededTensors(seed), 1e-3, TORCH_NAMES)
        pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
        x = graph.convolution(normalised(pixels, 127.0, 128.0), "stem", 8, 3, stride=2)
        x = keras.layers.ReLU(6.0, name="map")(graph.batch_norm(x, "norm"))
        return keras.Model(pixels, {"map": x, "pooled": keras.layers.GlobalAveragePooling2D(name="pooled")(x)})

    cells = np.random.default_rng(1).integers(0, 256, (60, 1, 4, 4, 3), dtype=np.uint8)
    like_ours = cells.repeat(SIDE // 4, axis=2).repeat(SIDE // 4, axis=3)

    @functools.cache
    def make(one: int, other: int) -> Models:
        return int8_model(network(one), "pooled", like_ours), float_model(network(other), "pooled")

    return make


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledPicture]:
    """Two bursts of three and six stills, of random colours."""
    folder = tmp_path_factory.mktemp("pictures")
    made = []
    for number in range(12):
        cells = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        file = f"{number:02}.jpg"
        Image.fromarray(cells).resize((64, 64), Image.Resampling.NEAREST).save(folder / file)
        sequence = f"burst{number // 3}" if number < 6 else ""
        made.append(LabelledPicture(file, folder / file, "cat" if number % 2 else "other", sequence))
    return made


def head(strength: float = 3.0) -> LogisticHead:
    direction = np.random.default_rng(2).standard_normal(8).astype(np.float32) * strength
    return LogisticHead(np.stack([-direction, direction]), np.zeros(2, np.float32), 1.0, np.zeros(2, np.float32))


def test_an_integer_model_of_the_same_network_passes(
    models: Callable[[int, int], Models], pictures: list[LabelledPicture]
) -> None:
    """All pictures and sequences are counted, and the differences are small but not none."""
    report = measure_parity(manifest(), head(), models(1, 1), pictures)
    assert (report.pictures, report.sequences, report.failures, report.problems) == (12, 8, 0, ())
    assert 0 < report.mean_difference < 0.02
    require_parity(report)


def test_another_networks_integer_model_is_refused(
    models: Callable[[int, int], Models], pictures: list[LabelledPicture]
) -> None:
    """#1, #2 and #3 are each named, with expected and got, and the worst picture."""
    report = measure_parity(manifest(0.2), head(), models(2, 1), pictures)
    starts = ["ROC AUC", "probabilities differ", "2 verdicts change"]
    assert [problem.startswith(start) for problem, start in zip(report.problems, starts, strict=True)] == [True] * 3
    with pytest.raises(ParityError, match=rf"not made into a bundle: ROC AUC .*worst picture: {report.worst[0].file}"):
        require_parity(report)


def test_a_verdict_may_change_at_the_threshold(
    models: Callable[[int, int], Models], pictures: list[LabelledPicture]
) -> None:
    """#3: a threshold between the two confidences of a sequence changes its verdict, and that is no problem."""
    one = measure_parity(manifest(), head(), models(1, 1), pictures[6:7]).worst[0]
    between = (one.float_probability + one.int8_probability) / 2
    report = measure_parity(manifest(between), head(), models(1, 1), pictures[6:7])
    assert (len(report.changed_verdicts), report.problems) == (1, ())


def test_the_worst_pictures_come_first_without_the_machines_path(
    models: Callable[[int, int], Models], pictures: list[LabelledPicture]
) -> None:
    """Names are relative to the folder that the pictures share."""
    worst = measure_parity(manifest(), head(), models(2, 1), pictures).worst
    differences = [abs(row.float_probability - row.int8_probability) for row in worst]
    assert differences == sorted(differences, reverse=True)
    assert {row.file for row in worst} <= {picture.file for picture in pictures}


def test_a_missing_picture_is_counted(
    models: Callable[[int, int], Models], pictures: list[LabelledPicture], tmp_path: Path
) -> None:
    """The others are compared."""
    gone = LabelledPicture("gone.jpg", pictures[0].path.parent / "gone.jpg", "cat")
    report = measure_parity(manifest(), head(), models(1, 1), [*pictures[6:], gone])
    assert (report.pictures, report.failures) == (6, 1)


def test_no_picture_at_all_is_an_error(models: Callable[[int, int], Models], tmp_path: Path) -> None:
    """Nothing was compared, so nothing passes."""
    with pytest.raises(DataError, match="none of 1 pictures can be used"):
        measure_parity(manifest(), head(), models(1, 1), [LabelledPicture("a", tmp_path / "a", "cat")])


def test_the_integer_model_is_no_float_model(
    models: Callable[[int, int], Models], pictures: list[LabelledPicture]
) -> None:
    """Comparing a model with itself would pass anything."""
    int8, _ = models(1, 1)
    with pytest.raises(BundleError, match=r"float\.tflite: input uint8, expected float32"):
        measure_parity(manifest(), head(), (int8, int8), pictures)


@given(st.lists(st.tuples(st.booleans(), st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0])), min_size=2, max_size=30))
def test_roc_auc_is_scikit_learns(rows: list[tuple[bool, float]]) -> None:
    """Ties included; None where there is one class."""
    truth, scores = np.array([row[0] for row in rows]), np.array([row[1] for row in rows])
    expected = roc_auc_score(truth, scores) if 0 < truth.sum() < len(truth) else None
    assert roc_auc(truth, scores) == pytest.approx(expected)
