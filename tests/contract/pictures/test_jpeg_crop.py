"""A part of a JPEG is what decoding it whole and cropping gives, at a fraction of the memory."""

import io
import mmap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from uncia_contract.pictures import jpeg_crop
from uncia_contract.pictures.jpeg import open_jpeg
from uncia_contract.pictures.jpeg_crop import open_part

WIDTH, HEIGHT = 640, 480


def scene(mode: str = "RGB", orientation: int = 1, **options: object) -> bytes:
    """A JPEG full of detail, so that a wrong row or column shows."""
    noise = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(out, "JPEG", quality=80, exif=exif, **options)  # type: ignore[arg-type]
    return out.getvalue()


SCENES = {turn: scene(orientation=turn) for turn in range(1, 9)}
SCENE = SCENES[1]


def same(data: bytes, enough: tuple[int, int], box: tuple[int, int, int, int]) -> bool:
    """Whether both ways give the same pixels."""
    whole, part = open_jpeg(data, enough).crop(box), open_part(data, enough, lambda size: box)
    return part.mode == "RGB" and np.array_equal(np.asarray(whole), np.asarray(part))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.tuples(*[st.floats(0, 1)] * 4), st.integers(1, 8))
def test_a_part_is_the_whole_cropped(scale: int, corners: tuple[float, float, float, float], turn: int) -> None:
    """At every scale, for every box, however the camera was held, to the byte."""
    width, height = (WIDTH // scale, HEIGHT // scale)[:: -1 if turn > 4 else 1]
    left, top = int(corners[0] * (width - 1)), int(corners[1] * (height - 1))
    box = (left, top, left + 1 + int(corners[2] * (width - left - 1)), top + 1 + int(corners[3] * (height - top - 1)))
    assert same(SCENES[turn], (width, height), box)


@pytest.mark.parametrize(
    "data",
    [SCENES[6], scene("L"), scene("L", orientation=6), scene("CMYK"), scene(progressive=True), scene(subsampling=0)],
    ids=["turned", "grey", "grey and turned", "cmyk", "progressive", "4:4:4"],
)
def test_other_kinds_of_jpeg_give_the_same_as_well(data: bytes) -> None:
    """Those that cannot be taken row by row are decoded whole."""
    assert same(data, (200, 200), (20, 30, 120, 100))


@pytest.mark.parametrize(("rows", "blocks"), [(50, 1), (HEIGHT, 4)], ids=str)
def test_the_file_is_read_no_further_than_the_part_reaches(
    monkeypatch: pytest.MonkeyPatch, rows: int, blocks: int
) -> None:
    """Rows below the part cost no time: Pillow reads blocks of 64 KiB, and is stopped between two."""
    read: list[int] = []
    original = JpegImageFile.load_read
    monkeypatch.setattr(JpegImageFile, "load_read", lambda self, size: read.append(size) or original(self, size))
    open_part(SCENE, (WIDTH, HEIGHT), lambda size: (0, 0, 100, rows))
    assert len(read) == blocks


def test_finished_rows_go_back_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages above the part's last row, but for the block that was decoded last."""
    freed: list[int] = []

    class Counted(mmap.mmap):
        def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
            freed.append(length)
            super().madvise(option, start, length)

    monkeypatch.setattr(jpeg_crop.mmap, "mmap", Counted)
    open_part(SCENE, (WIDTH, HEIGHT), lambda size: (0, HEIGHT - 10, 10, HEIGHT))
    assert sum(freed) == WIDTH * HEIGHT * 4 // mmap.PAGESIZE * mmap.PAGESIZE
