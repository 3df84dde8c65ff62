"""Every figure of a comparison can be computed from the files beside its report; here with scikit-learn."""

import csv
import json
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score, roc_curve

from uncia_training.cli.main import main

pytestmark = pytest.mark.heavy
Rows = list[dict[str, str]]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Cats that are hardly brighter than dogs, 16 sequences of three frames each; one of each is a test sequence."""
    folder, chance = tmp_path_factory.mktemp("data"), np.random.default_rng(4)
    rows = ["file,label,sequence,location,source,split"]
    for number in range(96):
        label, level, sequence = ("cat", 100, number // 3) if number < 48 else ("dog", 90, number // 3)
        noise = chance.integers(0, 90, (6, 8, 3), dtype=np.uint8)
        Image.fromarray(noise + np.uint8(level - 60)).resize((120, 90)).save(folder / f"{number}.jpg")
        split = "test" if sequence in (0, 16) else ""
        place = sequence // 2
        rows.append(f"{number}.jpg,{label},s{sequence},place {place},{('hill', 'dale')[place % 2]},{split}")
    (folder / "labels.csv").write_text("\n".join(rows))
    out = folder / "run"
    arguments = ["compare", "--data", str(folder / "labels.csv"), "--positive", "cat", "--system", "L120"]
    assert main([*arguments, "--out", str(out), "--repeats", "3", "--split", "random"]) == 0
    return out


def table(run: Path, name: str) -> Rows:
    """The rows of one of the four files."""
    with (run / "scores" / f"{name}.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def recall_at_1_percent(truth: np.ndarray, scores: np.ndarray) -> float:
    """The highest recall with at most 1 % false alarms."""
    false_alarms, recall, _ = roc_curve(truth, scores, drop_intermediate=False)
    return recall[false_alarms <= 0.01].max()


RECOMPUTED: dict[str, Callable[[np.ndarray, np.ndarray, float], float]] = {
    "accuracy": lambda truth, scores, threshold: ((scores >= threshold) == truth).mean(),
    "recall": lambda truth, scores, threshold: (scores >= threshold)[truth].mean(),
    "false_positive_rate": lambda truth, scores, threshold: (scores >= threshold)[~truth].mean(),
    "roc_auc": lambda truth, scores, _: roc_auc_score(truth, scores),
    "average_precision": lambda truth, scores, _: average_precision_score(truth, scores),
    "recall_at_1_percent_false_positives": lambda truth, scores, _: recall_at_1_percent(truth, scores),
    "always_no_accuracy": lambda truth, *_: (~truth).mean(),
    "prevalence": lambda truth, *_: truth.mean(),
}


def figures(run: Path, kind: str, system: str, threshold: float, chosen: Callable[[dict[str, str]], bool], by: tuple):
    """The mean of each figure over groups of scores (deals or single fits), of the chosen items."""
    known = {row[kind]: row for row in table(run, f"{kind}s") if chosen(row)}
    groups: dict[tuple, list[tuple[bool, float]]] = defaultdict(list)
    for row in table(run, f"{kind}_scores"):
        if row["system"] == system and row[kind] in known:
            truth = known[row[kind]]["positive"] == "true"
            groups[tuple(row[name] for name in by)].append((truth, float(row["score"])))
    pairs = [(np.array(one)[:, 0] > 0, np.array(one)[:, 1]) for one in groups.values()]
    return {
        name: np.mean([figure(truth, scores, threshold) for truth, scores in pairs])
        for name, figure in RECOMPUTED.items()
    }


def held_out(row: dict[str, str]) -> bool:
    """The rows that folds held out."""
    return row["never_learnt"] == "false"


@pytest.mark.parametrize(("kind", "part"), [("picture", "frames"), ("sequence", "sequences")])
def test_headline_figures_are_those_of_the_score_files(run: Path, kind: str, part: str) -> None:
    """They equal the mean over the deals of scikit-learn's figures."""
    system = json.loads((run / "report.json").read_text())["systems"][0]
    found = figures(run, kind, "L120", system["threshold"], held_out, ("deal",))
    assert {name: system[part][name] for name in found} == pytest.approx(found)
    leaking = figures(run, kind, "L120, random split", system["threshold"], held_out, ("deal",))
    assert system["random_split"][part]["roc_auc"] == pytest.approx(leaking["roc_auc"])


def test_figures_by_source_and_light_are_those_of_the_score_files(run: Path) -> None:
    """The tables of pictures have both columns."""
    system = json.loads((run / "report.json").read_text())["systems"][0]
    for column, told in (("source", system["sources"]), ("light", system["light"])):
        for name, one in told.items():
            part = partial(is_part, column=column, name=name)
            found = figures(run, "picture", "L120", system["threshold"], part, ("deal",))
            assert (one["n"] > 0, one["accuracy"]) == (True, pytest.approx(found["accuracy"]))


def is_part(row: dict[str, str], column: str, name: str) -> bool:
    """Whether a row is held out and of that source or light."""
    return held_out(row) and row[column] == name


@pytest.mark.parametrize(("kind", "part"), [("picture", "frames"), ("sequence", "sequences")])
def test_figures_of_pictures_not_used_for_training_are_means_over_all_fits(run: Path, kind: str, part: str) -> None:
    """Four folds of three deals score each such picture."""
    content = json.loads((run / "report.json").read_text())
    found = figures(
        run, kind, "L120", content["systems"][0]["threshold"], lambda row: not held_out(row), ("deal", "fold")
    )
    own = content["never_learnt_from"]["systems"][0][part]
    assert {name: own[name] for name in found} == pytest.approx(found)


def test_the_brier_score_is_that_of_the_score_files(run: Path) -> None:
    """Weighted to equal classes."""
    system = json.loads((run / "report.json").read_text())["systems"][0]
    known = {row["picture"]: row for row in table(run, "pictures") if held_out(row)}
    rows = [row for row in table(run, "picture_scores") if row["system"] == "L120" and row["picture"] in known]
    truth = np.array([known[row["picture"]]["positive"] == "true" for row in rows])
    scores = np.array([float(row["score"]) for row in rows])
    weights = np.where(truth, 0.5 / truth.sum(), 0.5 / (~truth).sum())
    assert system["calibration"]["brier"] == pytest.approx(brier_score_loss(truth, scores, sample_weight=weights))


def test_each_picture_is_scored_once_a_deal_and_units_stay_whole(run: Path) -> None:
    """A unit is in one fold."""
    known = {row["picture"]: row for row in table(run, "pictures") if held_out(row)}
    rows = [row for row in table(run, "picture_scores") if row["system"] == "L120" and row["picture"] in known]
    assert len(rows) == 3 * len(known)
    folds = defaultdict(set)
    for row in rows:
        folds[row["deal"], known[row["picture"]]["unit"]].add(row["fold"])
    assert {len(one) for one in folds.values()} == {1}


def test_the_threshold_table_agrees_with_the_figures(run: Path) -> None:
    """At the threshold in use; the page shows the table."""
    [system] = json.loads((run / "report.json").read_text())["systems"]
    [row] = [one for one in system["thresholds"] if one["in_use"]]
    names = ("recall", "false_positive_rate", "false_alarms_per_day")
    assert [row[name] for name in names] == pytest.approx([system["sequences"][name] for name in names])
    assert row["pictures_to_look_at"] == pytest.approx(row["share_to_look_at"] * 90)
    assert "<h2>Thresholds</h2>" in (run / "report.html").read_text()
