"""Bursts of one frame are compared with the trap's background; the background is kept over restarts."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.edge.scene import BUNDLE, Told, burst_of, jpeg, reading, slope, with_animal

from uncia_contract.bursts.backgrounds import Background
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import FrameEntry
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.background_file import NAME, read_background, write_background
from uncia_edge.scoring.observer import Observer

SCENE = slope()


class Watch:
    """A trap with a background, on a rendered slope."""

    def __init__(self, folder: Path, background: Background | None = None) -> None:
        self.folder, self.number = folder, 0
        self.outbox = Outbox(folder / "outbox")
        self.trap = Observer("ridge-01", Told(0.9), BUNDLE, self.outbox, reading, background=background or Background())

    def sees(self, *images: Image.Image) -> tuple[FrameEntry, ...]:
        """Observe one burst of these images; return the frames of its record."""
        self.number += 1
        seen = self.trap.observe(burst_of(self.folder / f"b{self.number}", [jpeg(image) for image in images]))
        assert seen.record is not None
        return seen.record.frames


def noisy(image: Image.Image, seed: int) -> Image.Image:
    """The image with sensor noise."""
    grain = np.random.default_rng(seed).normal(0, 3, (*image.size[::-1], 3))
    return Image.fromarray((np.asarray(image, float) + grain).clip(0, 255).astype(np.uint8))


def infrared(image: Image.Image) -> Image.Image:
    """The image as taken with infrared flash."""
    return Image.merge("RGB", [image.convert("L")] * 3)


def knocked(image: Image.Image) -> Image.Image:
    """The image after the camera was moved."""
    turned = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return turned.transform(turned.size, Image.Transform.AFFINE, (1, 0, 90, 0, 1, 40), fillcolor=(90, 90, 60))


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    """A trap after three bursts of one frame, each with the animal at another place."""
    watch = Watch(tmp_path)
    for n, across in enumerate((0.0, 0.3, 0.9)):
        assert watch.sees(noisy(with_animal(SCENE, across), n))[0].why == "single-frame"
    return watch


def holds(entry: FrameEntry, across: float, size: float = 0.2) -> bool:
    assert entry.region is not None, entry.why
    left, top, width, height = entry.region
    start = across * (1 - size)
    return left <= start + 0.03 and start + size - 0.03 <= left + width and top < 0.55 < top + height and width < 0.6


def test_a_single_frame_finds_its_animal(watch: Watch) -> None:
    """It is compared with the background, in which the animals of earlier bursts are outvoted."""
    [entry] = watch.sees(noisy(with_animal(SCENE, 0.6), 9))
    assert entry.why == "changed"
    assert holds(entry, 0.6)


def test_a_single_frame_of_nothing_is_scored_whole(watch: Watch) -> None:
    """The record says so."""
    [entry] = watch.sees(noisy(SCENE, 9))
    assert (entry.region, entry.why) == (None, "no-change")


def test_an_animal_that_does_not_move_through_its_burst_is_found(watch: Watch) -> None:
    """Three equal frames."""
    entries = watch.sees(*(noisy(with_animal(SCENE, 0.6), 9 + n) for n in range(3)))
    assert {entry.why for entry in entries} == {"background"}
    assert all(holds(entry, 0.6) for entry in entries)


def test_the_other_light_has_a_background_of_its_own(watch: Watch) -> None:
    """The first frame at night is not compared with frames of the day."""
    [entry] = watch.sees(infrared(noisy(with_animal(SCENE, 0.6), 9)))
    assert (entry.region, entry.why) == (None, "single-frame")


def test_a_camera_that_was_moved_learns_a_new_background(watch: Watch) -> None:
    """Frames are scored whole until three bursts have shown the new view; then animals are found there."""
    for n in range(3):
        [entry] = watch.sees(noisy(knocked(SCENE), 20 + n))
        assert entry.region is None, entry.why
    [entry] = watch.sees(noisy(knocked(with_animal(SCENE, 0.8)), 30))
    assert entry.region is not None


def test_the_background_survives_a_restart(watch: Watch, tmp_path: Path) -> None:
    """After a planned sleep or a restart by systemd."""
    assert watch.trap.backgrounds is not None
    write_background(tmp_path, watch.trap.backgrounds[""])
    again = Watch(tmp_path / "again", read_background(tmp_path))
    assert holds(again.sees(noisy(with_animal(SCENE, 0.6), 9))[0], 0.6)


@pytest.mark.parametrize("damage", [b"", b"PK torn"])
def test_a_damaged_background_is_learnt_again(tmp_path: Path, damage: bytes) -> None:
    """It does not end the trap."""
    (tmp_path / NAME).write_bytes(damage)
    assert read_background(tmp_path).seen((192, 256), "day") is None


def test_damaged_bytes_of_a_background_do_not_stop_the_trap(watch: Watch, tmp_path: Path) -> None:
    """With eight wrong bytes anywhere, the file is read or the background is learnt again; there is no error."""
    assert watch.trap.backgrounds is not None
    write_background(tmp_path, watch.trap.backgrounds[""])
    whole = (tmp_path / NAME).read_bytes()
    for place in range(0, len(whole), len(whole) // 200):
        (tmp_path / NAME).write_bytes(whole[:place] + b"\xff" * 8 + whole[place + 8 :])
        assert read_background(tmp_path) is not None


def test_a_burst_that_comes_again_is_not_compared_with_itself(watch: Watch, monkeypatch: pytest.MonkeyPatch) -> None:
    """While the card is full the same frame comes again and again: it must not become the background."""
    picture = noisy(with_animal(SCENE, 0.6), 9)
    with monkeypatch.context() as full:
        full.setattr(watch.outbox, "add", lambda *_, **__: (_ for _ in ()).throw(StorageError("no room")))
        for _ in range(6):
            watch.sees(picture)
    assert holds(watch.sees(picture)[0], 0.6)


def test_bursts_of_many_places_have_no_background(tmp_path: Path) -> None:
    """Each burst of a recording is judged by itself, as in an archive."""
    watch = Watch(tmp_path)
    watch.trap.backgrounds = None
    assert {watch.sees(noisy(with_animal(SCENE, 0.1 * n), n))[0].why for n in range(6)} == {"single-frame"}
    assert watch.trap.backgrounds is None
