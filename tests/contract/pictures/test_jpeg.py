"""JPEGs: which are refused, and how others are decoded."""

import errno
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from uncia_contract.errors import FrameError
from uncia_contract.pictures import jpeg as jpegs
from uncia_contract.pictures.jpeg import check_jpeg, open_jpeg, oriented_size, picture_bytes, pixel_box
from uncia_contract.pictures.region import Region


def jpeg(
    size: tuple[int, int] = (64, 48), mode: str = "RGB", orientation: int | None = None, **options: object
) -> bytes:
    """A rendered JPEG."""
    rows = np.add.outer(np.arange(size[1]), np.arange(size[0])).astype(np.uint8)
    image = Image.fromarray(rows).convert(mode)
    exif = Image.Exif()
    if orientation:
        exif[0x0112] = orientation
    out = io.BytesIO()
    image.save(out, "JPEG", exif=exif, **options)  # type: ignore[arg-type]
    return out.getvalue()


def test_a_whole_jpeg_is_accepted_with_its_size() -> None:
    """The size comes from the header, without decoding."""
    assert check_jpeg(jpeg((64, 48))) == (64, 48)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"\x89PNG\r\n\x1a\n" + b"0" * 100, "not a JPEG"),
        (jpeg()[:-2], "end marker"),
        (jpeg()[:40], "truncated"),
        (b"\xff\xd8\xff\xd9", "truncated"),
        (b"\xff\xd8" + b"\x00" * 100, "damaged"),
    ],
    ids=["empty", "png", "no end", "header only", "markers only", "zeros"],
)
def test_a_bad_file_is_refused_with_its_fault(data: bytes, reason: str) -> None:
    """The reason is stored in `failures`, so that a person can act."""
    with pytest.raises(FrameError, match=reason):
        check_jpeg(data)


def test_every_truncation_is_refused() -> None:
    """Cut at any place."""
    whole = jpeg((96, 96), quality=90)
    passed = []
    for length in range(0, len(whole) - 1, 7):
        try:
            open_jpeg(whole[:length])
            passed.append(length)
        except FrameError:
            continue
    assert passed == []


def test_an_absurd_size_is_refused_before_decoding() -> None:
    """A header that claims 65,500 x 65,500 pixels is a decompression bomb."""
    whole = bytearray(jpeg())
    at = whole.index(b"\xff\xc0")
    whole[at + 5 : at + 9] = (65500).to_bytes(2, "big") * 2
    with pytest.raises(FrameError, match="65500 x 65500"):
        check_jpeg(bytes(whole))


@pytest.mark.parametrize("mode", ["L", "CMYK", "RGB"])
def test_every_colour_mode_comes_out_as_rgb(mode: str) -> None:
    """For example the grey JPEGs of infrared cameras."""
    assert open_jpeg(jpeg(mode=mode)).mode == "RGB"


@pytest.mark.parametrize("orientation", range(1, 9))
def test_pixels_come_upright(orientation: int) -> None:
    """Orientations 5 to 8 swap the sides."""
    size = (64, 48) if orientation < 5 else (48, 64)
    data = jpeg((64, 48), orientation=orientation)
    assert open_jpeg(data).size == oriented_size(data) == size


def test_a_large_picture_is_decoded_at_a_reduced_scale() -> None:
    """DCT scaling by an eighth where that is enough."""
    assert open_jpeg(jpeg((1600, 1200)), (200, 150)).size == (200, 150)


class Watched(io.BytesIO):
    """A stream that records the largest number of bytes read at once."""

    asked = 0

    def read(self, size: int | None = -1, /) -> bytes:
        assert size is not None
        self.asked = max(self.asked, size if size >= 0 else 1 << 30)
        return super().read(size)


def test_a_stream_gives_the_picture_without_being_read_whole() -> None:
    """Of a file of 5 MB, at most one block is in memory at a time."""
    whole = jpeg((1200, 900), quality=100, subsampling=0)
    stream = Watched(whole)
    assert np.array_equal(open_jpeg(stream), open_jpeg(whole))
    assert check_jpeg(stream) == oriented_size(stream) == (1200, 900)
    assert (stream.asked, stream.closed) == (64 * 1024, False)
    assert len(whole) > 3 * stream.asked


@pytest.mark.parametrize("behind", [0, 1, 4094, 4095, 4096, 200_000], ids=str)
def test_the_end_marker_is_found_whatever_follows_it(behind: int) -> None:
    """Some cameras append a preview; the marker may be split between two blocks."""
    whole = jpeg()
    assert check_jpeg(io.BytesIO(whole + bytes(behind))) == (64, 48)
    with pytest.raises(FrameError, match="end marker"):
        check_jpeg(io.BytesIO(whole[:-2] + bytes(behind)))


@pytest.mark.parametrize("share", [0.3, 0.9999], ids=["in the middle", "near the end, where its marker is sought"])
def test_a_read_error_while_decoding_differs_from_a_bad_picture(share: float) -> None:
    """A read error is a fault of the card, not of the file."""
    whole = jpeg((1200, 900), quality=100, subsampling=0)

    class Failing(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            if self.tell() <= share * len(whole) < self.tell() + (size or 0):
                raise OSError(errno.EIO, "Input/output error")
            return super().read(size)

    with pytest.raises(FrameError, match="cannot be read: Input/output error"):
        open_jpeg(Failing(whole))


def test_a_file_is_read_in_memory_of_its_own_size() -> None:
    """Python reserves as many bytes as `read` is given; 64 MB for each picture would be too much."""
    stream = Watched(b"picture" * 100)
    assert (picture_bytes(lambda: stream), stream.asked) == (b"picture" * 100, 700)


def test_a_too_large_file_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not even its first byte."""
    monkeypatch.setattr(jpegs, "MAX_JPEG_BYTES", 699)
    stream = Watched(b"picture" * 100)
    with pytest.raises(FrameError, match="more than 699 bytes"):
        picture_bytes(lambda: stream)
    assert stream.asked == 0


@settings(max_examples=60, deadline=None)
@given(st.tuples(*[st.floats(0, 1)] * 4), st.tuples(st.integers(1, 5000), st.integers(1, 5000)))
def test_a_pixel_box_lies_inside_its_frame(corners: tuple[float, float, float, float], size: tuple[int, int]) -> None:
    """Any region of any frame gives at least one pixel and none outside."""
    a, b, c, d = corners
    left, top, right, bottom = pixel_box(Region(min(a, b), min(c, d), abs(a - b), abs(c - d)), size)
    assert 0 <= left < right <= size[0]
    assert 0 <= top < bottom <= size[1]
