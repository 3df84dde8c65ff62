"""An old and a new bundle compared on the same sequences, with paired differences."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from PIL import Image

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.errors import DataError
from uncia_contract.model.bundle import Bundle, bundle_from_bytes, read_bundle, write_bundle
from uncia_contract.model.manifest import Manifest
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.archive import bundle_pair
from uncia_training.archive.bundle_pair import compare_bundles
from uncia_training.archive.evaluate import SequenceScore
from uncia_training.cli.main import main

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"


def survey(split: str = "") -> list[LabelledPicture]:
    """Twenty sequences of one picture at ten places; every second one is a leopard."""
    return [
        LabelledPicture(f"{number}.jpg", Path(f"{number}.jpg"), ("fox", "snow_leopard")[number % 2],
                        location=f"place {number // 2}", split=split)
        for number in range(20)
    ]  # fmt: skip


@pytest.fixture
def starter() -> Bundle:
    """The starter bundle with a threshold of 0.5."""
    bundle = read_bundle(STARTER)
    manifest = msgspec.structs.replace(bundle.manifest, decision_rule=DecisionRule(0.5))
    return replaced(bundle, manifest)


def replaced(bundle: Bundle, manifest: Manifest) -> Bundle:
    """The bundle with another manifest."""
    return bundle_from_bytes(write_bundle(manifest, bundle.members))


@pytest.fixture
def compared(monkeypatch: pytest.MonkeyPatch, starter: Bundle) -> Callable[..., dict[str, Any]]:
    """The report on a survey, with the scores of each bundle given by the test."""

    def run(old: list[float | None], new: list[float | None], pictures: list[LabelledPicture]) -> dict[str, Any]:
        said = iter([old, new])

        class Stand:
            def __init__(self, bundle: Bundle, workers: int) -> None:
                self.scores = next(said)

            def score_sequences(self, bursts: list[Any], progress: Any) -> list[SequenceScore]:
                scores = [self.scores[int(burst[0].file.split(".")[0])] for burst in bursts]
                return [SequenceScore(one, "snow_leopard") for one in scores]

        monkeypatch.setattr(bundle_pair, "Evaluator", Stand)
        return compare_bundles(pictures, starter, starter, 1, lambda step, done, total: None)

    return run


def test_the_difference_is_paired_and_names_changed_verdicts(compared: Callable[..., dict[str, Any]]) -> None:
    """Two of ten leopards more; equal answers of both bundles cancel out."""
    old: list[float | None] = [0.6 if number in (0, 1, 3, 5) else 0.1 for number in range(20)]
    new = [0.7 if number in (7, 9) else one for number, one in enumerate(old)]
    report = compared(old, new, survey())
    gained = report["new_exceeds_by"]
    assert (report["old"]["recall"], report["new"]["recall"], gained["recall"]) == pytest.approx((0.3, 0.5, 0.2))
    low, high = gained["recall_interval"]
    assert low < 0.2 < high and high - low < np.diff(report["new"]["recall_interval"])
    assert (gained["false_positive_rate"], gained["false_positive_rate_interval"]) == (0.0, None)
    assert [one["files"] for one in report["changed"]] == [["7.jpg"], ["9.jpg"]]


def test_only_pictures_not_used_for_training_count_if_the_data_name_them(
    compared: Callable[..., dict[str, Any]],
) -> None:
    """Rows of split test or tune; without them all count, and the report says so."""
    scores: list[float | None] = [0.1] * 20
    report = compared(scores, scores, survey()[:10] + survey("Test")[10:])
    assert (report["sequences"], report["never_learnt_from"]) == (10, True)
    assert compared(scores, scores, survey())["never_learnt_from"] is False


def test_a_sequence_that_one_bundle_cannot_read_counts_for_neither(compared: Callable[..., dict[str, Any]]) -> None:
    """Otherwise the figures would be of different sequences."""
    report = compared([None, *[0.1] * 19], [*[0.1] * 19, None], survey())
    assert (report["sequences"], report["unreadable"]) == (18, 2)


def test_bundles_for_different_animals_are_refused(starter: Bundle) -> None:
    """A fox's recall cannot be compared with a leopard's."""
    names = {"labels": ("other", "fox"), "positive_labels": ("fox",)}
    other = replaced(starter, msgspec.structs.replace(starter.manifest, **names))
    with pytest.raises(DataError, match="different positive labels: snow_leopard and fox"):
        compare_bundles(survey(), starter, other, 1, lambda step, done, total: None)


def test_a_frame_that_cannot_be_read_fails_and_its_sequence_counts(tmp_path: Path, starter: Bundle) -> None:
    """It is named once, though both bundles read it."""
    Image.new("RGB", (320, 240)).save(tmp_path / "0.jpg")
    burst = [LabelledPicture(f"{n}.jpg", tmp_path / f"{n}.jpg", "fox", "s") for n in range(2)]
    report = compare_bundles(burst, starter, starter, 1, lambda step, done, total: None)
    assert (report["sequences"], [one["file"] for one in report["failures"]]) == (1, ["1.jpg"])


@pytest.mark.heavy
def test_evaluate_against_prints_both_and_leaves_json(
    tmp_path: Path, starter: Bundle, capsys: pytest.CaptureFixture[str]
) -> None:
    """The starter and a bundle that calls every sequence positive."""
    eager = tmp_path / "eager.uncia"
    manifest = msgspec.structs.replace(starter.manifest, decision_rule=DecisionRule(0.0))
    eager.write_bytes(write_bundle(manifest, starter.members))
    for number in range(4):
        cells = np.random.default_rng(number).integers(0, 255, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(cells).resize((320, 240)).save(tmp_path / f"{number}.jpg")
    rows = [f"{number}.jpg,{('fox', 'snow_leopard')[number % 2]}" for number in range(4)]
    (tmp_path / "labels.csv").write_text("\n".join(["file,label", *rows]))
    given = ["--data", str(tmp_path / "labels.csv"), "--json", str(tmp_path / "pair.json")]
    assert main(["evaluate", "--bundle", str(STARTER), "--against", str(eager), *given]) == 0
    said = capsys.readouterr().out
    report = json.loads((tmp_path / "pair.json").read_text())
    assert (report["new"]["recall"], report["new"]["false_positive_rate"], report["sequences"]) == (1.0, 1.0, 4)
    assert ("new (eager.uncia, at 0): recall 1.000" in said, said.count("  changed: ")) == (
        True,
        len(report["changed"]),
    )
