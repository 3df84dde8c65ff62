"""PNG, TIFF and WebP as JPEGs: same pixels, upright, with their times; other formats are refused by name."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image

from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import open_jpeg
from uncia_contract.pictures.other_formats import picture_taken, read_as_jpeg

LOSSLESS = {"PNG": {}, "TIFF": {}, "WEBP": {"lossless": True}}
EVERY = pytest.mark.parametrize("kind", LOSSLESS)
NEAR = 5  # what JPEG of quality 100 costs in any channel


def scene() -> Image.Image:
    """A smooth colour picture, wider than high, that looks different in every orientation."""
    cells = np.random.default_rng(5).integers(0, 255, (3, 4, 3), dtype=np.uint8)
    return Image.fromarray(cells).resize((64, 48), Image.Resampling.BICUBIC)


def write(path: Path, image: Image.Image, kind: str, turn: int = 1, time: str = "") -> Path:
    """Write the picture with an orientation and a time in its EXIF."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = turn
    if time:
        exif[ExifTags.Base.DateTime] = time
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = time
    image.save(path, kind, exif=exif, **LOSSLESS[kind])
    return path


def difference(path: Path, expected: Image.Image) -> int:
    """The largest difference of a pixel."""
    seen, wanted = (np.asarray(one.convert("RGB"), np.int16) for one in (open_jpeg(read_as_jpeg(path)), expected))
    assert seen.shape == wanted.shape
    return int(np.abs(seen - wanted).max())


@EVERY
def test_the_pixels_are_the_pictures(tmp_path: Path, kind: str) -> None:
    """Within a few grey levels, whatever the file's name."""
    assert difference(write(tmp_path / "a.jpg", scene(), kind), scene()) <= NEAR


@EVERY
@pytest.mark.parametrize(("turn", "transpose"), [(3, 3), (6, 4), (8, 2), (5, 5)])
def test_a_turned_picture_stands_upright(tmp_path: Path, kind: str, turn: int, transpose: int) -> None:
    """As with a JPEG of the same orientation."""
    assert difference(write(tmp_path / "a", scene(), kind, turn), scene().transpose(Image.Transpose(transpose))) <= NEAR


@EVERY
def test_its_time_is_read(tmp_path: Path, kind: str) -> None:
    """From its own EXIF."""
    told = picture_taken(write(tmp_path / "a", scene(), kind, time="2026:03:01 10:00:05"))
    assert told.at == datetime(2026, 3, 1, 10, 0, 5, tzinfo=UTC)


@pytest.mark.parametrize("mode", ["L", "P", "LA", "RGBA", "1", "CMYK"])
def test_every_mode_becomes_colour(tmp_path: Path, mode: str) -> None:
    """Palettes, transparency and inks of a PNG or TIFF."""
    image = scene().convert(mode)
    image.save(tmp_path / "a", "TIFF" if mode == "CMYK" else "PNG")
    assert difference(tmp_path / "a", image) <= NEAR


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_of_grey_become_eight(tmp_path: Path, kind: str) -> None:
    """Values above 255 do not all become white."""
    grey = np.linspace(0, 65535, 64 * 48).reshape(48, 64).astype(np.uint16)
    Image.fromarray(grey).save(tmp_path / "a", kind)
    assert difference(tmp_path / "a", Image.fromarray((grey >> 8).astype(np.uint8))) <= NEAR


def test_a_jpeg_is_its_own_bytes(tmp_path: Path) -> None:
    """Also if its name ends in PNG."""
    scene().save(tmp_path / "a.png", "JPEG")
    assert read_as_jpeg(tmp_path / "a.png") == (tmp_path / "a.png").read_bytes()


BEGINNINGS = {
    "HEIC": b"\0\0\0\x18ftypheic",
    "MP4": b"\0\0\0\x18ftypisom",
    "MOV": b"\0\0\0\x08wide",
    "AVI": b"RIFF\0\0\0\0AVI LIST",
    "CR2": b"II*\0\x10\0\0\0CR\2\0",
    "CR3": b"\0\0\0\x18ftypcrx ",
}


def beginning(kind: str) -> bytes:
    """A small file of a format that is not read."""
    if kind in ("GIF", "BMP"):
        out = io.BytesIO()
        scene().save(out, kind)
        return out.getvalue()
    if kind == "thumbnail of a raw picture":
        out = io.BytesIO()
        scene().save(out, "TIFF", tiffinfo={254: 1})
        return out.getvalue()
    return BEGINNINGS[kind] + bytes(64)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("GIF", "GIF"),
        ("BMP", "BMP"),
        ("HEIC", "HEIC or AVIF"),
        ("MP4", "video"),
        ("MOV", "video"),
        ("AVI", "video"),
        ("CR2", "raw picture"),
        ("CR3", "raw picture"),
        ("thumbnail of a raw picture", "raw picture"),
    ],
)
def test_a_format_that_is_not_read_is_named(tmp_path: Path, kind: str, name: str) -> None:
    """The message lists the formats that are read."""
    (tmp_path / "a.jpg").write_bytes(beginning(kind))
    with pytest.raises(FrameError, match=f"^a {name}: expected JPEG, PNG, TIFF or WebP$"):
        read_as_jpeg(tmp_path / "a.jpg")


@EVERY
def test_half_a_picture_is_refused(tmp_path: Path, kind: str) -> None:
    """Reading its time gives no error."""
    whole = write(tmp_path / "a", Image.effect_noise((200, 200), 90), kind).read_bytes()
    (tmp_path / "a").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(FrameError, match="cannot be decoded"):
        read_as_jpeg(tmp_path / "a")
    picture_taken(tmp_path / "a")


def test_a_missing_file_is_reported(tmp_path: Path) -> None:
    """With the system's message."""
    with pytest.raises(FrameError, match="cannot be read: No such file or directory"):
        read_as_jpeg(tmp_path / "none.png")
    assert picture_taken(tmp_path / "none.png").at is None
