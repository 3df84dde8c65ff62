"""From reviews to a new bundle: the documented command trains on what rangers confirmed and rejected."""

import csv
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path

import pytest

from uncia_collector.catalogue.review import review
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_simulation.scenes import render_training_set

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
PAGE = Path(__file__).parents[2] / "docs" / "collector.md"


@pytest.fixture
def reviewed(on_sqlite, make_sequence, tmp_path):
    """A station with 30 rendered sequences; the snow leopards are confirmed, all others rejected."""
    labels = render_training_set(tmp_path / "scenes", seed=5, bursts=30)
    with labels.open(newline="") as file:
        bursts = groupby(csv.DictReader(file), key=lambda row: (row["location"], row["sequence"], row["label"]))
        for n, ((location, _, label), rows) in enumerate(bursts):
            sequence = make_sequence(
                id=f"{n:04d}", trap=location.lower(), started_at=NOW - timedelta(hours=n),
                pictures=[(labels.parent / row["file"]).read_bytes() for row in rows],
            )  # fmt: skip
            on_sqlite.commit(*sequence.messages())
            verdict = "confirmed" if label == "snow_leopard" else "rejected"
            review(on_sqlite.database, (sequence.trap, sequence.id), verdict, "anara", NOW)
    return on_sqlite


@pytest.mark.slow
def test_the_documented_line_makes_a_bundle_of_reviews(reviewed, tmp_path):
    """The line of docs/collector.md without changes; the bundle works and has a label for rejected pictures."""
    [line] = [
        text.strip() for text in PAGE.read_text().splitlines() if text.startswith("    uncia-collect export training")
    ]
    (tmp_path / "collector.toml").write_text(f"data = '{reviewed.root}'\n")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(  # noqa: PLW1510 - asserted below
        ["bash", "-c", line],
        cwd=tmp_path,
        env=os.environ | {"PATH": path},
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-2000:]

    bundle = read_bundle(tmp_path / "review-1.uncia")
    Classifier(bundle).check_probes()
    with (tmp_path / "review.csv").open(newline="") as file:
        taught = {row["label"] for row in csv.DictReader(file)}
    assert taught == {"snow_leopard", "not_snow_leopard"}
    # `uncia-train` calls every label that is not positive "other"
    assert set(bundle.manifest.labels) == {"snow_leopard", "other"}
    assert bundle.manifest.positive_labels == ("snow_leopard",)
