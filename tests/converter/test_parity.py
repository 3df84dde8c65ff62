"""The parity check: a model that decides worse than its float model does not become a bundle."""

import dataclasses
import functools
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.quantization.quantize import float_model, int8_model
from uncia_backbones.weights.tensors import SeededTensors
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frame_scores import lowered
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.bursts.second_look import SecondLook
from uncia_contract.errors import BundleError, DataError
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.manifest import SCHEMA_2, Backbone, Manifest
from uncia_contract.runs.held_out import NO_FOLD, HeldOut, held_out_from_bytes, held_out_to_bytes
from uncia_contract.runs.labels import LabelledPicture
from uncia_converter.parity import (
    ParityError,
    ParityReport,
    measure_parity,
    require_parity,
)
from uncia_converter.parity_models import HeadProbabilities, ModelPair, ParityScore

SIDE = 32


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
def models() -> Callable[..., ModelPair]:
    """An integer and a float model of one seed or of two seeds, calibrated on similar pictures."""

    def network(seed: int, scale: float = 1.0) -> keras.Model:
        graph = Graph(SeededTensors(seed), 1e-3, TORCH_NAMES)
        pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
        x = graph.convolution(normalised(pixels, 127.0, 128.0), "stem", 8, 3, stride=2)
        x = keras.layers.ReLU(6.0, name="map")(graph.batch_norm(x, "norm"))
        pooled = keras.layers.GlobalAveragePooling2D(name="plain")(x)
        return keras.Model(pixels, {"map": x, "pooled": keras.layers.Rescaling(scale, name="pooled")(pooled)})

    cells = np.random.default_rng(1).integers(0, 256, (60, 1, 4, 4, 3), dtype=np.uint8)
    like_ours = cells.repeat(SIDE // 4, axis=2).repeat(SIDE // 4, axis=3)

    @functools.cache
    def make(one: int, other: int, scale: float = 1.0, calibrated_with: str = "pictures") -> ModelPair:
        calibration = like_ours if calibrated_with == "pictures" else np.full_like(like_ours, 128)
        both = int8_model(network(one, scale), "pooled", calibration), float_model(network(other), "pooled")
        return ModelPair(*both, logit_range=(-4.0, 4.0))

    return make


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> list[LabelledPicture]:
    """Bursts of three and single pictures, of random colours."""
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


def halves(pictures: Sequence[LabelledPicture], *heads: LogisticHead) -> HeldOut:
    """Two folds that split no sequence; by default both have the same head."""
    names = sorted({picture.sequence or picture.file for picture in pictures})
    folds = [names.index(picture.sequence or picture.file) % 2 for picture in pictures]
    return HeldOut(np.array(folds), heads or (head(), head()))


def measure(
    pictures: Sequence[LabelledPicture],
    both: ModelPair,
    described: Manifest | None = None,
    held_out: HeldOut | None = None,
    bundled: LogisticHead | None = None,
) -> ParityReport:
    return measure_parity(described or manifest(), bundled or head(), both, pictures, held_out or halves(pictures))


def test_an_integer_model_of_the_same_network_passes(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """All pictures and sequences are counted; the differences are small but not zero."""
    report = measure(pictures, models(1, 1))
    assert (report.pictures, report.sequences, report.failures, report.problems) == (12, 8, 0, ())
    assert 0 < report.validation.mean_difference < 0.02
    require_parity(report)


def test_another_networks_integer_model_is_refused(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """With both choices of heads, and as broken in the graph; the message says what to do."""
    report = measure(pictures, models(2, 1), manifest(0.2))
    heads = ["", "with the bundle's head ", "in the graph ", "with the bundle's head in the graph "]
    for words in heads:
        assert any(problem.startswith(words + "probabilities differ by") for problem in report.problems)
    with pytest.raises(ParityError, match=r"no bundle was made: .*another number of your pictures.*--pictures"):
        require_parity(report)


@pytest.mark.parametrize(
    "flaw", [{"scale": 2.0}, {"calibrated_with": "grey"}], ids=["a wrong scale", "calibrated with pictures of nothing"]
)
def test_an_integer_model_with_a_flaw_is_refused(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture], flaw: dict[str, object]
) -> None:
    """Also if the float model is of the same network."""
    problems = measure(pictures, models(1, 1, **flaw)).problems
    assert any(problem.startswith("probabilities differ") for problem in problems)


def test_a_head_of_other_features_is_refused(models: Callable[..., ModelPair], pictures: list[LabelledPicture]) -> None:
    """#5: float and int8 agree, but the head does not rank the pictures."""
    learnt = fitted(pictures, models(1, 1))
    stranger = dataclasses.replace(learnt, weights=-learnt.weights)
    assert measure(pictures, models(1, 1), held_out=halves(pictures, learnt, learnt), bundled=learnt).problems == ()
    problems = measure(pictures, models(1, 1), held_out=halves(pictures, learnt, learnt), bundled=stranger).problems
    assert problems[0].endswith("it was fitted to other features")


def fitted(pictures: Sequence[LabelledPicture], both: ModelPair) -> LogisticHead:
    """A head that ranks these pictures better than chance."""
    found = measure(pictures, both).bundled_head.roc_auc_float
    assert found is not None and abs(found - 0.5) > 0.05
    return head() if found > 0.5 else head(-3.0)


def test_the_validation_split_is_read_by_heads_that_did_not_see_it(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """#1: each picture is scored by the head of its fold, whatever the bundle's head gives."""
    other = head(-2.0)
    report = measure(pictures, models(1, 1), held_out=halves(pictures, head(), other))
    by_file = {row.file: row.float_probability for row in (*report.validation.worst, *report.bundled_head.worst)}
    again = {row.file: row for row in measure(pictures, models(1, 1), bundled=other).bundled_head.worst}
    folds = dict(zip((picture.file for picture in pictures), halves(pictures).folds, strict=True))
    same = [again[row.file].float_probability == row.float_probability
            for row in report.validation.worst if row.file in again and folds[row.file] == 1]  # fmt: skip
    assert (len(by_file) > 0, len(same) > 0, all(same)) == (True, True, True)


@pytest.mark.parametrize("which", ["validation", "bundled_head"])
def test_either_choice_of_heads_can_refuse(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture], which: str
) -> None:
    """#1 and #2: with a head a thousand times as strong, every rounding changes a verdict."""
    nervous, calm = head(3000.0), head(0.01)
    inner, outer = (nervous, calm) if which == "validation" else (calm, nervous)
    report = measure(pictures, models(2, 1), held_out=halves(pictures, inner, inner), bundled=outer)
    refused = {name: bool(getattr(report, name).problems) for name in ("validation", "bundled_head")}
    calm_problems = "probabilities differ" in " ".join(
        getattr(report, "bundled_head" if which == "validation" else "validation").problems
    )
    assert (refused[which], calm_problems) == (True, False)


def test_a_graph_that_cannot_hold_the_head_is_refused(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """#4: its logits saturate, although the features are right."""
    narrow = dataclasses.replace(models(1, 1), logit_range=(-0.01, 0.01))
    problems = measure(pictures, narrow).problems
    assert any(problem.startswith("in the graph probabilities differ") for problem in problems)
    assert all("in the graph" in problem for problem in problems)


def test_a_sequence_in_two_folds_is_refused(models: Callable[..., ModelPair], pictures: list[LabelledPicture]) -> None:
    """Every head has learnt from one of its frames."""
    torn = HeldOut(np.arange(12) % 2, (head(), head()))
    with pytest.raises(DataError, match="its sequence is split between 2 folds"):
        measure(pictures, models(1, 1), held_out=torn)


@pytest.mark.parametrize("order", [(0, 1, 2), (1, 2, 0), (2, 1, 0)], ids=str)
def test_frames_of_a_burst_keep_their_own_scores(
    models: Callable[..., ModelPair],
    pictures: list[LabelledPicture],
    monkeypatch: pytest.MonkeyPatch,
    order: tuple[int, ...],
) -> None:
    """Frames may be scored in any order; the report has each under its own file."""
    monkeypatch.setattr(
        "uncia_contract.bursts.decisions.scoring_order", lambda frames: order[:frames] if frames > 1 else [0]
    )
    whole = manifest()
    whole = msgspec.structs.replace(whole, regions=False)
    together = {row.file: row for row in measure(pictures[:3], models(2, 1), whole).bundled_head.worst}
    alone = [dataclasses.replace(picture, sequence="") for picture in pictures[:3]]
    apart = {row.file: row for row in measure(alone, models(2, 1), whole).bundled_head.worst}
    assert together == apart


def test_both_models_look_again_where_the_bundle_does(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """For a single frame in doubt, a window's score counts for both models."""
    rule, singly = SecondLook(sighted=1.0, few_from=0.0, few_off=0.0), pictures[6:]
    again = msgspec.structs.replace(manifest(), looks_again=rule, schema=SCHEMA_2)
    once, twice = (measure(singly, models(1, 1), one).bundled_head.worst for one in (manifest(), again))
    first = {row.file: row for row in once}
    assert all(row.int8_probability >= first[row.file].int8_probability for row in twice)
    higher = [row for row in twice if row.int8_probability > first[row.file].int8_probability]
    assert higher and all(row.float_probability != first[row.file].float_probability for row in higher)


def test_logits_taken_off_a_score_are_taken_off_what_both_models_gave() -> None:
    """In float, in integers and in the graph, for both heads."""
    unseen, own = HeadProbabilities(0.7, 0.6, 0.5), HeadProbabilities(0.9, 0.8, 0.7)
    low = ParityScore(own.in_int8, (unseen, own)).lowered(1.0)
    assert low.note == (HeadProbabilities(*(lowered(n, 1.0) for n in (0.7, 0.6, 0.5))), own.lowered(1.0))
    assert float(low) == lowered(0.8, 1.0)


def test_a_verdict_may_change_at_the_threshold(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """A threshold between the two confidences of a sequence changes its verdict; this is reported, but no problem."""
    one = measure(pictures[6:7], models(1, 1)).validation.worst[0]
    between = (one.float_probability + one.int8_probability) / 2
    report = measure(pictures[6:7], models(1, 1), manifest(between))
    assert (len(report.validation.changed_verdicts), report.problems) == (1, ())
    assert len(report.told(between)) >= 2 and "threshold" in report.told(between)[0]


def test_the_worst_pictures_come_first_without_the_machines_path(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """Names are relative to the common folder."""
    worst = measure(pictures, models(2, 1)).validation.worst
    differences = [row.difference for row in worst]
    assert differences == sorted(differences, reverse=True)
    assert {row.file for row in worst} <= {picture.file for picture in pictures}


def test_a_missing_picture_is_counted(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture], tmp_path: Path
) -> None:
    """The others are compared."""
    gone = LabelledPicture("gone.jpg", pictures[0].path.parent / "gone.jpg", "cat")
    report = measure([*pictures[6:], gone], models(1, 1))
    assert (report.pictures, report.failures) == (6, 1)


def test_pictures_that_are_gone_are_no_way_around_the_gate(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """#6: the comparison is refused when more than 1 % are missing."""
    gone = [LabelledPicture(f"gone{n}.jpg", pictures[0].path.parent / f"gone{n}.jpg", "cat") for n in range(2)]
    with pytest.raises(DataError, match=r"2 of 8 pictures .* cannot be read any more, the first: gone0\.jpg"):
        measure([*pictures[6:], *gone], models(1, 1))


def test_a_picture_that_was_not_learnt_from_is_left_out(
    models: Callable[..., ModelPair], pictures: list[LabelledPicture]
) -> None:
    """It could not be read when the folds were made, so it has no fold."""
    folds = np.array([NO_FOLD, 0, 1, 0, 1, 0])
    report = measure(pictures[6:], models(1, 1), held_out=HeldOut(folds, (head(), head())))
    assert (report.pictures, report.failures) == (5, 1)


def test_no_picture_at_all_is_an_error(models: Callable[..., ModelPair], tmp_path: Path) -> None:
    """Nothing can be compared."""
    with pytest.raises(DataError, match="none of 1 pictures can be used"):
        measure([LabelledPicture("a", tmp_path / "a", "cat")], models(1, 1))


def test_the_integer_model_is_no_float_model(models: Callable[..., ModelPair], pictures: list[LabelledPicture]) -> None:
    """A comparison of a model with itself would always pass."""
    both = models(1, 1)
    with pytest.raises(BundleError, match=r"float\.tflite: input uint8, expected float32"):
        measure(pictures, dataclasses.replace(both, float32=both.int8))


def test_held_out_heads_survive_their_file() -> None:
    """Folds and heads, for the same number of pictures."""
    data = held_out_to_bytes(HeldOut(np.array([0, 1, NO_FOLD]), (head(), head(2.0))))
    read = held_out_from_bytes(data, 3)
    assert (read.folds.tolist(), [one.weights.tolist() for one in read.heads]) == (
        [0, 1, NO_FOLD],
        [head().weights.tolist(), head(2.0).weights.tolist()],
    )


@pytest.mark.parametrize("folds", [[0, 1], [0, 1, 2], [0, 1, -2]], ids=["fewer pictures", "no such head", "below none"])
def test_held_out_heads_of_another_run_are_refused(folds: list[int]) -> None:
    """The message gives both numbers of pictures."""
    data = held_out_to_bytes(HeldOut(np.array(folds), (head(), head())))
    with pytest.raises(DataError, match=r"held-out\.npz: folds of .* expected 3 pictures; make the run anew"):
        held_out_from_bytes(data, 3)
