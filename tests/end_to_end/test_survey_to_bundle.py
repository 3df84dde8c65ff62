"""From a survey's archive to a bundle for one's own valley: docs/training.md's way, for ibex, on rendered pictures."""

import csv
import json
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_contract.model.classifier import Classifier
from uncia_converter.cli import main as convert
from uncia_simulation import scenes
from uncia_training.cli.main import main as train

STARTER = Path(__file__).parents[2] / "models" / "snow-leopard-starter-2.uncia"
VISITS = ("ibex", "fox", "ibex", None)  # of each place, a day apart
PLACES, HELD_OUT = 5, 2


def truth(file: str) -> str:
    """What a person sees on a picture: the visit's number is in its name."""
    return VISITS[int(Path(file).stem[-2])] or "blank"


def render(folder: Path, places: Iterable[int]) -> Path:
    """A folder for each place, in it the pictures of its visits."""
    for place in places:
        scene = scenes.Scene("", None, "day", 2, f"place-{place}", 500 + place, 4.2, 0.3, scenes.FIRST_NIGHT)
        for number, species in enumerate(VISITS):
            started = scene.started_at + timedelta(days=number, hours=9)
            visit = replace(scene, species=species, wind=0.5, started_at=started)
            scenes._render(visit, folder / scene.location, [place, number], 10 * number + 1)
    return folder


def rows(path: Path) -> list[dict[str, str]]:
    """Of a CSV."""
    with path.open(newline="", encoding="utf-8") as text:
        return list(csv.DictReader(text))


def fill(suggestions: Path) -> None:
    """A person labels all pictures but those of the last sequence."""
    named = rows(suggestions)
    for row in named:
        row["label"] = "" if row["sequence"] == named[-1]["sequence"] else truth(row["file"])
    with suggestions.open("w", newline="", encoding="utf-8-sig") as text:
        writer = csv.DictWriter(text, list(named[0]))
        writer.writeheader()
        writer.writerows(named)


def held_out(folder: Path) -> Path:
    """Two other places, of which nothing is learnt."""
    found = sorted(render(folder, range(PLACES, PLACES + HELD_OUT)).rglob("*.jpg"))
    lines = [f"{path},{truth(path.name)},{path.parent.name},test" for path in found]
    (folder / "later.csv").write_text("\n".join(["file,label,location,split", *lines]) + "\n")
    return folder / "later.csv"


@pytest.mark.heavy
def test_an_archive_becomes_a_bundle_for_another_animal(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Score with the starter, label what is suggested, fit, choose a threshold, compare on places never seen."""
    archive, out, suggestions = render(tmp_path / "survey", range(PLACES)), tmp_path / "scored", "suggestions.csv"
    score = ["score", str(archive), "--bundle", str(STARTER), "--out", str(out), "--write", "csv", "--suggest"]
    assert train([*score, str(PLACES * len(VISITS) - 1)]) == 0
    fill(out / suggestions)

    backbone, run = str(tmp_path / "backbone"), str(tmp_path / "run")
    data = ["--data", str(out / suggestions), "--positive", "ibex"]
    assert convert(["backbone", "--backbone", "efficientnet-lite0", "--calibration", str(out / suggestions), "--out",
                    backbone]) == 0  # fmt: skip
    assert train(["fit", *data, "--backbone-dir", backbone, "--out", run, "--name", "ibex"]) == 0
    assert "2 left out (2 without a label)" in capsys.readouterr().out

    old, new = tmp_path / "ibex-1.uncia", tmp_path / "ibex-2.uncia"
    chosen = ["--bundle-version", "2", "--threshold", "0.6", "--threshold-reason", "fewer alarms"]
    assert convert(["bundle", run, "--out", str(new), *chosen]) == 0
    manifest = read_bundle(new).manifest
    assert (manifest.positive_labels, manifest.decision_rule.threshold) == (("ibex",), 0.6)
    assert manifest.notes[-1] == "Threshold 0.6 in place of 0.5: fewer alarms"
    Classifier(read_bundle(new)).check_probes()
    before = msgspec.structs.replace(manifest, version=1, decision_rule=DecisionRule(0.05), notes=())
    old.write_bytes(write_bundle(before, read_bundle(new).members))

    later, report = held_out(tmp_path / "later"), tmp_path / "report.json"
    told = ["--data", str(later), "--json", str(report)]
    assert train(["evaluate", "--bundle", str(new), *told]) == 0
    evaluated = json.loads(report.read_text())
    assert evaluated["sequences"]["roc_auc"] > 0.7
    assert evaluated["trap_days"] == len(VISITS) * HELD_OUT
    [row] = [one for one in evaluated["thresholds"] if one["in_use"]]
    assert (row["threshold"], row["recall"]) == (0.6, evaluated["sequences"]["recall"])
    assert train(["evaluate", "--bundle", str(old), "--against", str(new), *told]) == 0
    pair = json.loads(report.read_text())
    assert (pair["never_learnt_from"], pair["sequences"]) == (True, HELD_OUT * len(VISITS))
    assert pair["new_exceeds_by"]["roc_auc"] == 0
    assert pair["new"]["false_positive_rate"] <= pair["old"]["false_positive_rate"]
