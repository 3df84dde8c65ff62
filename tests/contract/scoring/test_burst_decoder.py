"""A JPEG is decoded once for thumbnail and region where the scale and the memory allow it."""

import io

import numpy as np
import pytest
from PIL import Image

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.pictures.jpeg import dct_scale, oriented_size
from uncia_contract.pictures.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.pictures.region import Region
from uncia_contract.scoring import burst_decoder
from uncia_contract.scoring.burst_decoder import BurstDecoder, enough_for_thumbnail

SIZE = (224, 224)
LARGE = Region(0.1, 0.1, 0.8, 0.8)
TINY = Region(0.4, 0.4, 0.1, 0.1)


@pytest.fixture(scope="module")
def picture() -> bytes:
    """2400 x 1800 pixels, whose thumbnail is decoded at a quarter of its scale."""
    noise = np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(noise).resize((2400, 1800)).save(out, "JPEG")
    return out.getvalue()


def reads(picture: bytes, frames: int, region: Region | None) -> tuple[int, bool]:
    """How often a burst's files are read for thumbnails and inputs, and whether each input equals `model_input`."""
    count: list[int] = []

    def reader() -> bytes:
        count.append(1)
        return picture

    with BurstDecoder([reader] * frames, RegionRule(thumbnail_width=200), SIZE, workers=2) as burst:
        burst.thumbnails()
        inputs = [burst.model_input(index, region) for index in range(frames)]
    expected = model_input(picture, SIZE, region)
    return len(count), all(np.array_equal(expected, given) for given in inputs)


@pytest.mark.parametrize(
    ("frames", "region", "count"),
    [(3, None, 3), (3, LARGE, 3), (3, TINY, 6)],
    ids=["whole frames", "a large animal", "a small animal needs a finer scale"],
)
def test_a_file_is_read_once_where_its_scale_is_fine_enough(
    picture: bytes, frames: int, region: Region | None, count: int
) -> None:
    """The model's input is the same either way."""
    assert reads(picture, frames, region) == (count, True)


@pytest.mark.parametrize(("megabytes", "count"), [(0, 12), (7.4, 10), (20, 6)], ids=str)
def test_more_memory_means_fewer_decodes(
    picture: bytes, monkeypatch: pytest.MonkeyPatch, megabytes: float, count: int
) -> None:
    """Six decoded frames of 1.08 MB, beside 5.0 MB reserved for finding regions."""
    monkeypatch.setattr(burst_decoder, "SHARED_BYTES", int(megabytes * 1e6))
    assert reads(picture, 6, LARGE) == (count, True)


def test_frames_in_which_nothing_moves_are_read_once_whatever_the_memory(
    picture: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model's input of a whole frame is small enough to be kept."""
    monkeypatch.setattr(burst_decoder, "SHARED_BYTES", 0)
    assert reads(picture, 6, None) == (6, True)


@pytest.mark.parametrize("workers", [1, 3], ids=str)
@pytest.mark.parametrize("region", [None, LARGE, TINY], ids=["whole", "the same scale", "a finer scale"])
def test_a_prefetched_input_is_the_one_that_is_asked_for(picture: bytes, region: Region | None, workers: int) -> None:
    """In any order, before and after the thumbnails, with or without them."""
    with BurstDecoder([lambda: picture] * 4, RegionRule(thumbnail_width=200), SIZE, workers=workers) as burst:
        burst.prefetch([3, 0], {0: region, 3: region})
        early = [burst.model_input(0, region)]
        burst.thumbnails()
        burst.prefetch([1, 2], {1: region, 2: region})
        inputs = early + [burst.model_input(index, region) for index in (3, 2, 1)]
        assert not burst.is_prefetching
    assert all(np.array_equal(given, model_input(picture, SIZE, region)) for given in inputs)


def test_a_kept_picture_of_too_coarse_a_scale_is_freed_before_decoding_again(picture: bytes) -> None:
    """Both together would need more memory than is reserved."""
    kept: list[int] = []
    with BurstDecoder([lambda: kept.append(len(burst._kept)) or picture] * 2, RegionRule(), SIZE, workers=1) as burst:
        burst.thumbnails()
        burst.model_input(0, TINY)
    assert kept == [0, 1, 1]


@pytest.mark.parametrize(
    "size",
    [
        (1280, 720), (1920, 1080), (2048, 1536), (2560, 1440), (3264, 2448), (3840, 2160), (4000, 3000), (5120, 2880),
        (5200, 3900),
    ],
    ids=lambda size: "x".join(map(str, size)),
)  # fmt: skip
@pytest.mark.parametrize("is_upright", [False, True], ids=["as held", "upright"])
@pytest.mark.parametrize("side", [224, 240, 260])
def test_usual_picture_sizes_use_one_scale_for_thumbnail_and_whole_frame(
    size: tuple[int, int], is_upright: bool, side: int
) -> None:
    """Otherwise a burst in which nothing moves would be decoded twice."""
    size, out = size[::-1] if is_upright else size, io.BytesIO()
    Image.new("RGB", size).save(out, "JPEG")
    whole = oriented_size(out.getvalue())
    enough = enough_for_thumbnail(RegionRule())
    assert (whole, dct_scale(whole, enough)) == (size, dct_scale(size, enough_for((side, side), WHOLE)))


@pytest.mark.parametrize(("shared_bytes", "times"), [(0, 2), (10**8, 0)], ids=["memory is short", "all are kept"])
def test_memory_of_a_long_burst_is_returned_to_the_system(
    picture: bytes, monkeypatch: pytest.MonkeyPatch, shared_bytes: int, times: int
) -> None:
    """Before regions are searched, and at the end; after a short burst the memory is kept for the next one."""
    given: list[None] = []
    monkeypatch.setattr(burst_decoder, "SHARED_BYTES", shared_bytes)
    monkeypatch.setattr(burst_decoder, "return_freed_memory", lambda: given.append(None))
    assert reads(picture, 3, None) == (3, True)
    assert len(given) == times


def test_pictures_may_come_as_streams_which_are_closed(picture: bytes) -> None:
    """The trap gives files, which are opened again for a second decode; the model's input is the same."""
    opened: list[io.BytesIO] = []

    def reader() -> io.BytesIO:
        opened.append(io.BytesIO(picture))
        return opened[-1]

    with BurstDecoder([reader] * 3, RegionRule(thumbnail_width=200), SIZE, workers=2) as burst:
        burst.thumbnails()
        inputs = [burst.model_input(index, TINY) for index in range(3)]
    assert all(np.array_equal(given, model_input(picture, SIZE, TINY)) for given in inputs)
    assert (len(opened), all(stream.closed for stream in opened)) == (6, True)
