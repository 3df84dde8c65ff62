"""`veto` in trap.toml: pictures of people do not leave the trap; rendered bursts and a stand-in with two labels."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.edge.scene import BUNDLE, burst_of, jpeg, reading, slope, with_animal

from support.fixed_scores import make_manifest
from uncia_contract.model.classifier import LabelledScore
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observation, Observer
from uncia_edge.scoring.veto import Veto


class Figures:
    """Scores a dark figure as a person and a pale one as a snow leopard, by the region's darkest pixel."""

    def __init__(self) -> None:
        self.manifest = make_manifest(positive=("snow_leopard", "person"))

    def score(self, image: NDArray[np.uint8]) -> LabelledScore:
        person = 0.85 if (image.max(axis=2) < 45).mean() > 0.05 else 0.05
        return LabelledScore(0.9, {"snow_leopard": 0.9 - person, "person": person})


def walking(n: int, dark: bool) -> bytes:
    scene, across = slope(), 0.1 + 0.2 * n
    if dark:
        return jpeg(with_animal(scene, across, 0.35))
    pale = scene.copy()
    pale.paste(Image.new("RGB", (220, 110), (235, 230, 220)), (int(across * 400), 240))
    return jpeg(pale)


class Trap:
    def __init__(self, folder: Path, veto: Veto) -> None:
        self.folder, self.outbox = folder, Outbox(folder / "outbox")
        self.observer = Observer("ridge-01", Figures(), BUNDLE, self.outbox, reading, preview_px=64, veto=veto)

    def see(self, name: str, dark: bool, test: bool = False) -> Observation:
        burst = burst_of(self.folder / name, [walking(n, dark) for n in range(3)])
        return self.observer.observe(burst, test)


def test_a_sequence_of_a_person_is_not_sent_and_one_of_an_animal_is(tmp_path: Path) -> None:
    """With `veto = ["person"]` nothing of it is in the outbox, and the burst does not come again."""
    trap = Trap(tmp_path, Veto(["person"]))
    person, leopard = trap.see("p", dark=True), trap.see("l", dark=False)
    assert (
        person.record is not None and person.record.label == "person" and (person.vetoed, person.safe) == (True, True)
    )
    assert leopard.record is not None and leopard.record.label == "snow_leopard" and not leopard.vetoed
    assert trap.outbox.queries.waiting() == [leopard.record.id]


def test_with_veto_sends_record_the_pictures_are_grey(tmp_path: Path) -> None:
    """Label, times and scores are sent; no preview, no region, and none of the pictures' bytes."""
    trap = Trap(tmp_path, Veto(["person"], "record"))
    seen = trap.see("p", dark=True)
    assert seen.record is not None
    item = trap.outbox.get(seen.record.id)
    assert item is not None
    kept = item.record
    assert (kept.label, kept.confidence, len(kept.frames)) == ("person", seen.record.confidence, 3)
    assert kept.preview is None and {frame.region for frame in kept.frames} == {None}
    assert [frame.taken_at for frame in kept.frames] == [frame.taken_at for frame in seen.record.frames]
    assert {frame.sha256 for frame in kept.frames} & {frame.sha256 for frame in seen.record.frames} == set()
    originals = {hashlib.sha256(walking(n, dark=True)).hexdigest() for n in range(3)}
    assert not originals & {
        hashlib.sha256(path.read_bytes()).hexdigest() for path in (tmp_path / "outbox").rglob("*.jpg")
    }


@pytest.mark.parametrize(
    ("veto", "test"), [(Veto(), False), (Veto(["person"]), True)], ids=["no veto", "a test that somebody asked for"]
)
def test_without_a_veto_and_in_a_test_it_is_sent(tmp_path: Path, veto: Veto, test: bool) -> None:
    """By default; and a test sighting must arrive although it shows the engineer."""
    trap = Trap(tmp_path, veto)
    seen = trap.see("p", dark=True, test=test)
    assert seen.record is not None and trap.outbox.queries.waiting() == [seen.record.id]


def test_a_veto_label_that_the_bundle_does_not_have_is_reported() -> None:
    """The shipped model does not know people: without a message, such a veto would withhold nothing."""
    assert Veto(["person", "snow_leopard"]).unknown(("snow_leopard",)) == ["person"]
