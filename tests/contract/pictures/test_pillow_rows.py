"""Decoding a part of a JPEG gives the pixels of the cropped whole, with less memory."""

import io
import mmap

import numpy as np
import PIL
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from uncia_contract.pictures import pillow_rows
from uncia_contract.pictures.jpeg import open_jpeg, open_region, pixel_box
from uncia_contract.pictures.pillow_rows import KNOWN_PILLOW, has_row_decoding
from uncia_contract.pictures.region import Region

WIDTH, HEIGHT = 640, 480


def scene(mode: str = "RGB", orientation: int = 1, **options: object) -> bytes:
    """A JPEG with much detail, so that a wrong row or column is visible."""
    noise = np.random.default_rng(7).integers(0, 256, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = orientation
    out = io.BytesIO()
    Image.fromarray(noise).convert(mode).save(out, "JPEG", quality=80, exif=exif, **options)  # type: ignore[arg-type]
    return out.getvalue()


SCENES = {turn: scene(orientation=turn) for turn in range(1, 9)}
SCENE = SCENES[1]


INNER = Region(left=0.1, top=0.15, width=0.4, height=0.3)


def same(data: bytes, enough: tuple[int, int], region: Region) -> bool:
    """Whether both ways give the same pixels."""
    whole, part = open_jpeg(data, enough), open_region(data, enough, region)
    whole = whole.crop(pixel_box(region, whole.size))
    return part.mode == "RGB" and np.array_equal(np.asarray(whole), np.asarray(part))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from([1, 2, 4, 8]), st.tuples(*[st.floats(0, 1)] * 4), st.integers(1, 8))
def test_a_region_is_the_whole_cropped(scale: int, corners: tuple[float, float, float, float], turn: int) -> None:
    """Byte for byte, for every scale, region and orientation."""
    width, height = (WIDTH // scale, HEIGHT // scale)[:: -1 if turn > 4 else 1]
    left, top, right, bottom = corners
    region = Region(left, top, right * (1 - left), bottom * (1 - top))
    assert same(SCENES[turn], (width, height), region)


@pytest.mark.parametrize(
    "data",
    [SCENES[6], scene("L"), scene("L", orientation=6), scene("CMYK"), scene(progressive=True), scene(subsampling=0)],
    ids=["turned", "grey", "grey and turned", "cmyk", "progressive", "4:4:4"],
)
def test_other_kinds_of_jpeg_give_the_same_as_well(data: bytes) -> None:
    """JPEGs that cannot be decoded row by row are decoded whole."""
    assert same(data, (200, 200), INNER)


def test_the_private_function_is_known_for_this_version_of_pillow() -> None:
    """For a new major version, run the tests of this file, then add it to `KNOWN_PILLOW`."""
    assert KNOWN_PILLOW == ("10", "11", "12", "13")
    assert (PIL.__version__.split(".")[0] in KNOWN_PILLOW, has_row_decoding()) == (True, True)


@pytest.mark.parametrize("turn", range(1, 9))
def test_an_unknown_pillow_gives_the_same_pixels_by_public_functions(
    monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    """The whole picture is decoded and cropped, without the private function."""
    enough = WIDTH // 2, HEIGHT // 2
    by_rows = open_region(SCENES[turn], enough, INNER)
    monkeypatch.setattr(PIL, "__version__", "99.0.0")
    monkeypatch.delattr(pillow_rows._imaging, "map_buffer")
    assert np.array_equal(by_rows, open_region(SCENES[turn], enough, INNER))
    assert same(SCENES[turn], enough, INNER)


@pytest.mark.parametrize(("rows", "blocks"), [(50, 1), (HEIGHT, 4)], ids=str)
def test_the_file_is_read_no_further_than_the_part_reaches(
    monkeypatch: pytest.MonkeyPatch, rows: int, blocks: int
) -> None:
    """Pillow reads blocks of 64 KiB and is stopped after the part's last row."""
    read: list[int] = []
    original = JpegImageFile.load_read
    monkeypatch.setattr(JpegImageFile, "load_read", lambda self, size: read.append(size) or original(self, size))
    open_region(SCENE, (WIDTH, HEIGHT), Region(0, 0, 0.2, rows / HEIGHT))
    assert len(read) == blocks


def test_pages_of_finished_rows_are_returned_to_the_system(monkeypatch: pytest.MonkeyPatch) -> None:
    """All pages above the part's last row, except those of the last block."""
    freed: list[int] = []

    class Counted(mmap.mmap):
        def madvise(self, option: int, start: int = 0, length: int = 0) -> None:
            freed.append(length)
            super().madvise(option, start, length)

    monkeypatch.setattr(pillow_rows.mmap, "mmap", Counted)
    open_region(SCENE, (WIDTH, HEIGHT), Region(0, 1 - 10 / HEIGHT, 0.1, 10 / HEIGHT))
    assert sum(freed) == WIDTH * HEIGHT * 4 // mmap.PAGESIZE * mmap.PAGESIZE
