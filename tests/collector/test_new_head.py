"""A new head is trained from fifty reviewed sequences; three traps install it, one with interruptions."""

import csv
from datetime import UTC, datetime, timedelta
from itertools import groupby
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.end_to_end.test_commands import Base, wait
from tests.end_to_end.test_trust import Maker
from tests.systemd.test_units import station

from uncia_collector.catalogue.review import review
from uncia_collector.cli.main import main as collect
from uncia_collector.station import trap_commands
from uncia_contract.model.bundle import read_bundle
from uncia_converter.cli import main as convert
from uncia_edge.bundles.offers import Offers
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import TrapSettings
from uncia_simulation.scenes import render_training_set
from uncia_training.cli.main import main as train

__all__ = ["station"]
NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
REVIEWED = 50


@pytest.fixture
def reviews(on_sqlite: Any, make_sequence: Any, tmp_path: Path) -> Path:
    """The training table of a station with fifty reviewed sequences."""
    labels = render_training_set(tmp_path / "sent", seed=6, bursts=REVIEWED)
    with labels.open(newline="") as file:
        bursts = groupby(csv.DictReader(file), key=lambda row: (row["location"], row["sequence"], row["label"]))
        for n, ((location, _, label), rows) in enumerate(bursts):
            pictures = [(labels.parent / row["file"]).read_bytes() for row in rows]
            sequence = make_sequence(
                id=f"{n:04d}", trap=location.lower(), started_at=NOW - timedelta(hours=n), pictures=pictures
            )
            on_sqlite.commit(*sequence.messages())
            verdict = "confirmed" if label == "snow_leopard" else "rejected"
            review(on_sqlite.database, (sequence.trap, sequence.id), verdict, "anara", NOW)
    assert collect(["export", "training", "--data", str(on_sqlite.root), "--out", str(tmp_path / "review.csv")]) == 0
    return tmp_path / "review.csv"


def make(folder: Path, data: Path, name: str, *words: str) -> Path:
    """A bundle with a head that is fitted on these pictures."""
    run, out = folder / f"run-{name}", folder / f"{name}.uncia"
    fit = ["--positive", "snow_leopard", "--name", "valley", "--backbone-dir", str(folder / "backbone")]
    assert train(["fit", "--data", str(data), *fit, "--out", str(run)]) == 0
    assert convert(["bundle", str(run), *words, "--out", str(out)]) == 0
    return out


@pytest.mark.slow
def test_reviews_make_a_head_that_three_traps_take(
    reviews: Path, station: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, record_property: Any
) -> None:
    """Only the head and the manifest are sent; each trap's file equals the workstation's, byte for byte."""
    first_data = render_training_set(tmp_path / "scenes", seed=5, bursts=30)
    backbone = [
        "--backbone",
        "efficientnet-lite0",
        "--calibration",
        str(first_data),
        "--out",
        str(tmp_path / "backbone"),
    ]
    assert convert(["backbone", *backbone]) == 0
    first = make(tmp_path, first_data, "first")
    later = make(tmp_path, reviews, "later", "--network-of", str(first), "--bundle-version", "2")
    maker = Maker(tmp_path)
    for path in (first, later):
        path.write_bytes(maker.signed(path.read_bytes()))
    assert read_bundle(later).manifest.graph_head == "stale"

    sent: list[int] = []
    piece = trap_commands.BundlePiece
    monkeypatch.setattr(
        trap_commands, "BundlePiece", lambda sha, start, data: sent.append(len(data)) or piece(sha, start, data)
    )
    (base_folder := tmp_path / "base").mkdir()
    base = Base(base_folder, station)
    for number in (1, 2, 3):
        settings = msgspec.structs.replace(
            base.trap, bundle=str(first), bundle_key=str(maker.pem), state=str(base.folder / f"state-{number}")
        )
        sent.clear()
        if number < 3:
            with Runtime(settings) as trap:
                wait(lambda trap=trap: trap.delivery.connected)
                assert base.ask("offer-bundle", str(later)) == 0
        else:
            interrupted(base, settings, later, monkeypatch)
        on_the_wire = sum(sent)
        record_property(f"bytes to trap {number}", on_the_wire)
        with Runtime(settings) as trap:
            assert trap.bundle.identity == read_bundle(later).identity
            assert [
                path.read_bytes() == later.read_bytes() for path in Path(settings.state).glob("bundle/installed-*")
            ] == [True]
        if number < 3:
            assert on_the_wire < 30_000, on_the_wire


def interrupted(base: Base, settings: TrapSettings, later: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offer, each piece, proof and installation are interrupted once; trap and station start again."""
    monkeypatch.setattr(trap_commands, "PIECE_BYTES", 4096)
    steps = 0
    for step in (Offers.begin, Offers.take, Offers.take, Offers.take, Offers._try, Offers.install):
        with Runtime(settings) as trap, monkeypatch.context() as patched:
            wait(lambda trap=trap: trap.delivery.connected)

            def cut(*given: Any, step: Any = step) -> Any:
                step(*given)
                raise OSError("cut off")  # after the work, before anybody is told

            patched.setattr(Offers, step.__name__, cut)
            assert base.ask("offer-bundle", str(later)) == 2
            steps += 1
    with Runtime(settings) as trap:
        wait(lambda: trap.delivery.connected)
        assert base.ask("offer-bundle", str(later)) == 0
    assert steps == 6
