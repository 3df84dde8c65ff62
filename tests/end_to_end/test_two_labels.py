"""Snow leopards and their prey, told apart: rendered bursts through trap, broker, collector and page."""

import csv
import re
import shutil
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from starlette.testclient import TestClient

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.listing import listing
from uncia_collector.catalogue.people import People
from uncia_collector.settings import CollectorSettings, sqlite_url
from uncia_collector.web.app import make_app
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frame_scores import NotedScore
from uncia_contract.model.bundle import Bundle, read_bundle, write_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import LogisticHead, head_to_bytes
from uncia_contract.model.manifest import HEAD, MODEL, PROBES
from uncia_contract.model.probes import Probes, probes_from_bytes, probes_to_bytes
from uncia_contract.scoring.score_burst import score_burst
from uncia_simulation import scenes
from uncia_simulation.simulate import Plan, Replay, simulate

pytestmark = pytest.mark.heavy

DEMO = Path(__file__).parents[2] / "models" / "rendered-demo-1.uncia"
LABELS = ("other", "snow_leopard", "prey")
CALLED = {"snow-leopard": "snow_leopard", "ibex": "prey"}  # a wolf walks for dogs and livestock; nobody for nothing


class Features(Classifier):
    """Notes each region's features with its score."""

    def score(self, image: NDArray[np.uint8]) -> NotedScore:
        return NotedScore(0.5, self.features(image))


def features_of(burst: Path, classifier: Features) -> list[NDArray[np.float32]]:
    """Of each frame's region, as the trap finds it."""
    verdict = score_burst([path.read_bytes for path in sorted(burst.iterdir())], classifier, every_frame=True)
    assert verdict is not None
    return [frame.score.note for frame in verdict.frames if isinstance(frame.score, NotedScore)]


def fitted(bursts: list[Path], demo: Bundle) -> LogisticHead:
    """A head that tells leopards, prey and everything else apart; equal priors."""
    classifier = Features(demo)
    rows, classes = [], []
    for burst in bursts:
        found = features_of(burst, classifier)
        rows += found
        classes += [LABELS.index(CALLED.get(species_of(burst), "other"))] * len(found)
    model = LogisticRegression(C=0.1, max_iter=2000, class_weight="balanced").fit(np.stack(rows), classes)
    weights, bias = model.coef_.astype(np.float32), model.intercept_.astype(np.float32)
    return LogisticHead(weights, bias, 1.0, np.zeros(len(LABELS), np.float32))


def species_of(burst: Path) -> str:
    return burst.name.partition("-")[2]


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Path], list[Path]]:
    """Bursts of places to learn from, and of places that nothing learns from."""
    folder = tmp_path_factory.mktemp("scenes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "OTHERS", ("ibex", "wolf"))
        labels = scenes.render_training_set(folder, seed=5, bursts=50)
    with labels.open(newline="") as file:
        found = {folder / Path(row["file"]).parent: row["split"] for row in csv.DictReader(file)}
    return [one for one, split in found.items() if split == "train"], [one for one in found if found[one] == "test"]


@pytest.fixture(scope="module")
def bundle(rendered: tuple[list[Path], list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """With two positive labels, on the demonstration's backbone."""
    demo = read_bundle(DEMO)
    head, probes = fitted(rendered[0], demo), probes_from_bytes(demo.members[PROBES])
    described = msgspec.structs.replace(
        demo.manifest, name="two-labels", labels=LABELS, positive_labels=LABELS[1:], decision_rule=DecisionRule(0.5)
    )
    told = Probes(probes.inputs, probes.features, head.probabilities(probes.features))
    members = {MODEL: demo.members[MODEL], HEAD: head_to_bytes(head), PROBES: probes_to_bytes(told)}
    path = tmp_path_factory.mktemp("bundle") / "two-labels-1.uncia"
    path.write_bytes(write_bundle(described, members))
    return path


@pytest.fixture(scope="module")
def station(
    rendered: tuple[list[Path], list[Path]], bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Replay, Path]:
    """What the trap decided of places it never saw, and the catalogue's folder."""
    out = tmp_path_factory.mktemp("station")
    for burst in rendered[1]:
        shutil.copytree(burst, out / "bursts" / burst.name)
    return simulate(Plan(out / "bursts", bundle, out)), out / "catalogue"


def test_the_trap_tells_leopard_and_prey_from_dog_and_nothing(station: tuple[Replay, Path]) -> None:
    """Each burst of a place it never saw; the probabilities' sum is what decided."""
    records = {one.burst.name: one.record for one in station[0].observations if one.record is not None}
    said = {name: record.label if record.positive else "" for name, record in records.items()}
    assert said == {name: CALLED.get(name.partition("-")[2], "") for name in records}
    assert {*CALLED, "wolf", "nobody"} == {name.partition("-")[2] for name in records}
    for record in records.values():
        if record.positive:
            assert sum(record.probabilities.values()) == pytest.approx(record.confidence)


def test_the_page_shows_each_under_its_label(station: tuple[Replay, Path]) -> None:
    """The catalogue holds the leopards and the prey, the gallery names them, its filter parts them."""
    database = Database(sqlite_url(station[1]))
    stored = {row["id"]: row["label"] for row in listing(database)}
    sent = {one.record.id: one.record.label for one in station[0].observations if one.record and one.record.positive}
    People(database).set_user("anara", "snow and rocks", "reviewer", datetime.now(UTC))
    client = TestClient(make_app(CollectorSettings(data=str(station[1])), database))
    client.post("/login", data={"name": "anara", "password": "snow and rocks"})
    shown = {
        label: re.findall(r'href="/sequences/desk-1/([^"?]+)', client.get(f"/?label={label}").text) for label in LABELS
    }
    database.close()
    assert stored == sent
    assert {label: sorted(ids) for label, ids in shown.items()} == {
        label: sorted(known for known, name in sent.items() if name == label) for label in LABELS
    }
