"""Single pictures of an archive are compared with the camera's pictures before and after them."""

import io
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.contract.scoring.test_score_burst import MANIFEST

from uncia_contract.archive.archive_scores import score_sequence
from uncia_contract.archive.neighbours import ASKED, KEPT, KNOWN, NeighbourThumbnails, nearest, with_neighbours
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.visits import Archive, ArchiveSequence, archive_of
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.errors import FrameError
from uncia_contract.model.manifest import Manifest

GROUND = np.random.default_rng(4).integers(60, 160, (30, 40, 3), dtype=np.uint8)
SIZE = (320, 240)
Box = tuple[int, int, int, int]
ANIMAL: Box = (200, 120, 250, 160)
REST: Box = (40, 60, 90, 100)


@dataclass
class Constant:
    """A classifier that gives every picture the same score."""

    manifest: Manifest = field(default_factory=lambda: MANIFEST)

    def score(self, image: np.ndarray) -> float:
        return 0.25


def view(animal: Box | None = None, ground: np.ndarray = GROUND) -> bytes:
    """A picture of a fixed camera, with a bright animal at `animal`."""
    image = Image.fromarray(ground).resize(SIZE, Image.Resampling.BICUBIC)
    if animal is not None:
        image.paste((240, 235, 220), animal)
    out = io.BytesIO()
    image.save(out, "jpeg", quality=90)
    return out.getvalue()


def infrared() -> bytes:
    """The same place by flash."""
    out = io.BytesIO()
    Image.open(io.BytesIO(view())).convert("L").save(out, "jpeg")
    return out.getvalue()


def small() -> bytes:
    """The same place in fewer pixels, of another shape."""
    out = io.BytesIO()
    Image.open(io.BytesIO(view())).resize((200, 120)).save(out, "jpeg")
    return out.getvalue()


def camera(folder: Path, pictures: Sequence[bytes]) -> Archive:
    """An archive of one camera, a picture every minute."""
    folder.mkdir(exist_ok=True)
    for number, picture in enumerate(pictures):
        exif = Image.Exif()
        exif[0x0132] = f"2026:03:01 05:{number:02d}:00"
        path = folder / f"IMG_{number:04d}.JPG"
        path.write_bytes(picture)
        if picture[:2] == b"\xff\xd8":
            path.write_bytes(picture[:2] + _segment(exif.tobytes()) + picture[2:])
        os.utime(path, (1e9, 1e9))
    return archive_of(folder)


def _segment(exif: bytes) -> bytes:
    return b"\xff\xe1" + (len(exif) + 2).to_bytes(2, "big") + exif


def sequences(archive: Archive) -> list[ArchiveSequence]:
    """The sequences of the archive's one camera, with neighbours."""
    return with_neighbours(archive.sequences("", BurstRule(), "me"))


def scored(archive: Archive, number: int) -> ScoredPicture:
    """One picture, scored in a run of its own."""
    (sequence,) = (one for one in sequences(archive) if one.names == (f"IMG_{number:04d}.JPG",))
    (found,) = score_sequence(sequence, archive.place, Constant())
    return found


def holds(picture: ScoredPicture, box: Box) -> bool:
    """Whether its region covers more than 80 % of the box and less than a quarter of the picture."""
    if picture.region is None:
        return False
    left, top, width, height = picture.region
    across = min((left + width) * SIZE[0], box[2]) - max(left * SIZE[0], box[0])
    down = min((top + height) * SIZE[1], box[3]) - max(top * SIZE[1], box[1])
    share = max(across, 0) * max(down, 0) / ((box[2] - box[0]) * (box[3] - box[1]))
    return share > 0.8 and width * height < 0.25


def test_a_single_picture_finds_its_animal(tmp_path: Path) -> None:
    """In the middle of an archive and at both of its ends."""
    archive = camera(tmp_path, [view(ANIMAL if number in (0, 4, 8) else None) for number in range(9)])
    assert [holds(scored(archive, number), ANIMAL) for number in (0, 4, 8)] == [True, True, True]


CASES: dict[str, list[bytes]] = {
    "an animal that rests through four of nine": [view()] * 3 + [view(REST)] * 2 + [view(ANIMAL)] + [view(REST)] * 2
    + [view()] * 2,
    "neighbours that cannot be decoded": [view()] * 3 + [b"no picture"] * 2 + [view(ANIMAL)] + [view()[:-2000]] * 2
    + [view()] * 3,
    "neighbours by infrared": [view()] * 3 + [infrared()] * 2 + [view(ANIMAL)] + [infrared()] * 3 + [view()] * 3,
    "neighbours of another size": [view()] * 3 + [small()] * 2 + [view(ANIMAL)] + [small()] * 3 + [view()] * 3,
}  # fmt: skip


@pytest.mark.parametrize("case", CASES)
def test_the_median_hides_other_animals_and_unusable_neighbours_are_skipped(tmp_path: Path, case: str) -> None:
    """The sixth picture's animal is found."""
    assert holds(scored(camera(tmp_path, CASES[case]), 5), ANIMAL)


MOVED = GROUND[::-1, ::-1]
WITHOUT: dict[str, list[bytes]] = {
    "a camera that was moved before and after": [view(None, MOVED)] * 5 + [view(ANIMAL)] + [view(None, MOVED)] * 5,
    "too few of its light": [view()] * 2 + [infrared()] * 3 + [view(ANIMAL)] + [infrared()] * 3 + [view()] * 2,
    "too few neighbours": [view()] * 2 + [view(ANIMAL)] * 3,
}


@pytest.mark.parametrize("case", WITHOUT)
def test_a_picture_that_cannot_be_compared_is_scored_whole(tmp_path: Path, case: str) -> None:
    """There is no region."""
    pictures = WITHOUT[case]
    assert scored(camera(tmp_path, pictures), pictures.index(view(ANIMAL))).region is None


def test_a_background_does_not_depend_on_what_was_scored_before(tmp_path: Path) -> None:
    """Scoring backwards with a shared cache gives the same as scoring each by itself."""
    archive = camera(tmp_path, [view(ANIMAL if number % 3 == 0 else None) for number in range(12)])
    shared = NeighbourThumbnails(lambda name: archive.place.open(name).read(), MANIFEST.region_rule)
    found = sequences(archive)
    backwards = [score_sequence(one, archive.place, Constant(), None, shared) for one in reversed(found)]
    assert backwards[::-1] == [score_sequence(one, archive.place, Constant()) for one in found]


def _added(folder: Path) -> None:
    camera(folder, [view()] * 13)


def _changed(folder: Path) -> None:
    os.utime(folder / "IMG_0011.JPG", (2e9, 2e9))


@pytest.mark.parametrize("change", [_added, _changed], ids=["a picture more", "a picture that changed"])
def test_the_key_depends_on_the_pictures_of_the_background(tmp_path: Path, change: Callable[[Path], None]) -> None:
    """So a resumed run scores a sequence again when its background may have changed."""
    before = sequences(camera(tmp_path, [view()] * 12))[5].key
    change(tmp_path)
    assert sequences(archive_of(tmp_path))[5].key != before


def test_longer_sequences_keep_their_keys_and_have_no_neighbours(tmp_path: Path) -> None:
    """Their frames are compared with each other, and a resume log of an older version stays valid."""
    found = camera(tmp_path, [view()] * 12).sequences("", BurstRule(), "me")
    long = [replace(one, names=one.names * 3) for one in found]
    assert with_neighbours(long) == long


def test_neighbours_are_the_nearest_of_both_sides() -> None:
    """One before and one after in turn, until one side ends; at most `ASKED`."""
    assert nearest("abcdefg", 1) == list("acdefg")
    assert nearest(range(100), 50) == [50 + side * n for n in range(1, ASKED // 2 + 1) for side in (-1, 1)]


def test_thumbnails_are_read_once_and_no_more_than_needed() -> None:
    """A second request reads nothing, and reading stops after `KEPT` usable pictures."""
    read = list[str]()

    def picture(name: str) -> bytes:
        read.append(name)
        if name == "broken":
            raise FrameError("broken")
        return view()

    thumbnails = NeighbourThumbnails(picture, MANIFEST.region_rule)
    names = ["broken", *map(str, range(ASKED))]
    for _ in range(2):
        assert thumbnails.median_of(names, (192, 256), "day") is not None
    assert read == names[: KEPT + 1]
    assert thumbnails.median_of(names[:KNOWN], (192, 256), "day") is None
