"""Bad pictures in the running trap: broken files are named and left out, odd ones are scored, no burst is lost."""

import io
import os
import struct
import zlib
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest
from PIL import ExifTags, Image
from tests.edge.scene import START, WatchedTrap, jpeg, slope

from uncia_edge.scoring.observer import Observation

GOOD = slope().resize((320, 240))


def stamped(seconds: int, image: Image.Image = GOOD, **options: object) -> bytes:
    return jpeg(image, START + timedelta(seconds=seconds), **options)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def png_with_a_bad_checksum() -> bytes:
    content = bytearray(encoded(GOOD, "PNG"))
    content[content.index(b"IDAT") + 40] ^= 0xFF
    return bytes(content)


def png_bomb() -> bytes:
    """A PNG of a few hundred bytes whose header says 60,000 x 60,000 pixels."""
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)
    parts = [(b"IHDR", header), (b"IDAT", zlib.compress(b"\0" * 100_000)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body)) for kind, body in parts
    )


def jpeg_bomb() -> bytes:
    """A small JPEG whose header says 65,500 x 65,500 pixels."""
    content = bytearray(encoded(GOOD, "JPEG"))
    at = content.index(b"\xff\xc0") + 5
    content[at : at + 4] = struct.pack(">HH", 65_500, 65_500)
    return bytes(content)


def flipped_in_its_tables() -> bytes:
    """A JPEG with all its markers but invalid Huffman tables, so that no decoder can read it."""
    content = bytearray(encoded(GOOD, "JPEG"))
    at = content.index(b"\xff\xc4") + 5
    content[at : at + 16] = b"\xff" * 16
    return bytes(content)


BROKEN = {
    "empty": b"",
    "one byte": b"\xff",
    "no JPEG": b"GIF89a" + b"\0" * 500,
    "text": b"<html>404</html>" * 40,
    "zeroed": b"\0" * 50_000,
    "PNG called JPG": encoded(GOOD, "PNG"),
    "PNG with a bad checksum": png_with_a_bad_checksum(),
    "PNG bomb": png_bomb(),
    "JPEG bomb": jpeg_bomb(),
    "16 bit": encoded(Image.fromarray(np.arange(4800, dtype=np.uint16).reshape(60, 80)), "PNG"),
    "16 bit TIFF": encoded(Image.fromarray(np.arange(4800, dtype=np.uint16).reshape(60, 80)), "TIFF"),
    "tables damaged": flipped_in_its_tables(),
    "header only": encoded(GOOD, "JPEG")[:200],
}


def observe_beside_good(folder: Path, content: bytes, name: str = "IMG_0002.JPG") -> tuple[WatchedTrap, Observation]:
    """A burst of three good frames and this file."""
    post = WatchedTrap(folder)
    for n in (1, 3, 4):
        post.put(f"IMG_{n:04d}.JPG", stamped(n))
    post.put(name, content)
    [seen] = post.observe()
    return post, seen


@pytest.mark.parametrize("content", BROKEN.values(), ids=list(BROKEN))
def test_one_bad_frame_is_named_and_the_burst_goes_on(tmp_path: Path, content: bytes) -> None:
    """Three frames are scored and stored as recorded, and the record names the fourth."""
    post, seen = observe_beside_good(tmp_path, content)
    assert seen.record is not None
    assert [entry.name for entry in seen.record.frames] == ["IMG_0001.JPG", "IMG_0003.JPG", "IMG_0004.JPG"]
    assert (seen.record.frames_scored, seen.record.positive) == (3, True)
    assert seen.record.failures == ("IMG_0002.JPG",)
    assert seen.failures[0].reason
    stored = [post.outbox.frame_path(seen.record.id, n).read_bytes() for n in range(3)]
    assert stored == [stamped(n) for n in (1, 3, 4)]


def odd(image: Image.Image, **options: object) -> bytes:
    return stamped(2, image, **options)


def upside_down() -> bytes:
    exif, out = Image.Exif(), io.BytesIO()
    exif[ExifTags.Base.Orientation] = 3
    exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = (
        f"{START + timedelta(seconds=2):%Y:%m:%d %H:%M:%S}"
    )
    GOOD.rotate(180).save(out, "JPEG", exif=exif, quality=85)
    return out.getvalue()


ODD = {
    "CMYK": odd(GOOD.convert("CMYK")),
    "greyscale": odd(GOOD.convert("L")),
    "progressive": odd(GOOD, progressive=True),
    "upside down": upside_down(),
    "no EXIF at all": encoded(GOOD, "JPEG"),
    "junk after its end": odd(GOOD) + b"\0" * 4000,
}


@pytest.mark.parametrize("content", ODD.values(), ids=list(ODD))
def test_an_odd_picture_is_a_frame_like_any_other(tmp_path: Path, content: bytes) -> None:
    """It is scored, stored byte for byte, and no failure."""
    post, seen = observe_beside_good(tmp_path, content)
    assert seen.record is not None
    assert (seen.record.frames_scored, seen.record.failures, len(seen.record.frames)) == (4, (), 4)
    n = next(entry.n for entry in seen.record.frames if entry.name == "IMG_0002.JPG")
    assert post.outbox.frame_path(seen.record.id, n).read_bytes() == content


@pytest.mark.parametrize("name", ["IMG_0002.PNG", "IMG_0002.TIF", "IMG_0002.Jpeg"])
def test_a_wrong_extension_does_not_hide_a_jpeg(tmp_path: Path, name: str) -> None:
    """Its bytes decide."""
    _, seen = observe_beside_good(tmp_path, stamped(2), name)
    assert seen.record is not None
    assert sorted(entry.name for entry in seen.record.frames)[1] == name


def test_a_rotated_picture_is_upright_for_the_regions(tmp_path: Path) -> None:
    """The same scene, stored upside down with an EXIF rotation, shows no change within the burst."""
    _, seen = observe_beside_good(tmp_path, upside_down())
    assert seen.record is not None
    assert {entry.why for entry in seen.record.frames} == {"no-change"}


def test_a_picture_truncated_at_every_kilobyte_is_named(tmp_path: Path) -> None:
    """Each cut of a 100 kB picture, beside one good frame, is a failure of that burst."""
    picture = stamped(2, slope().resize((1280, 960)), quality=90)
    cuts = range(0, len(picture), 1024)
    assert len(cuts) > 60
    post = WatchedTrap(tmp_path)
    post.put("IMG_0001.JPG", stamped(1))
    for cut in cuts:
        post.put(f"CUT_{cut:06d}.JPG", picture[:cut])
    [seen] = post.observe()
    assert seen.record is not None
    assert [entry.name for entry in seen.record.frames] == ["IMG_0001.JPG"]
    assert sorted(failure.file.name for failure in seen.failures) == [f"CUT_{cut:06d}.JPG" for cut in cuts]


def test_a_burst_of_only_bad_files_is_reported_once(tmp_path: Path) -> None:
    """There is no record, every file is named with its reason, and the burst does not come again."""
    post = WatchedTrap(tmp_path)
    for n, content in enumerate(BROKEN.values()):
        post.put(f"BAD_{n:02d}.JPG", content)
    seen = post.observe()
    assert [one.record for one in seen] == [None] * len(seen)
    assert len({failure.file for one in seen for failure in one.failures}) == len(BROKEN)
    assert post.outbox.queries.waiting() == []


def test_a_file_that_is_written_to_after_scoring_does_not_change_what_is_sent(tmp_path: Path) -> None:
    """If a camera reuses file names, the outbox has its own copy of the scored picture."""
    post = WatchedTrap(tmp_path)
    path = post.put("IMG_0001.JPG", stamped(1))
    [seen] = post.observe()
    with path.open("r+b") as stream:
        stream.write(b"something else")
    assert seen.record is not None
    assert post.outbox.frame_path(seen.record.id, 0).read_bytes() == stamped(1)


def test_names_that_are_no_utf_8_are_spelled_out_in_the_record(tmp_path: Path) -> None:
    """For a frame and for a failure; the stored record can be read again."""
    post = WatchedTrap(tmp_path)
    post.put(os.fsdecode(b"GOOD\xff.JPG"), stamped(1))
    post.put(os.fsdecode(b"BAD\xfe.JPG"), b"")
    [seen] = post.observe()
    assert seen.safe
    [item] = post.outbox.next()
    assert [entry.name for entry in item.record.frames] == ["GOOD\\xff.JPG"]
    assert item.record.failures == ("BAD\\xfe.JPG",)


def test_a_card_full_of_foreign_files_fits_into_a_record(tmp_path: Path) -> None:
    """The record names the first of hundreds of such files and counts the others."""
    post = WatchedTrap(tmp_path)
    post.put("GOOD.JPG", stamped(1))
    for n in range(150):
        post.put(f"BAD_{n:05d}.JPG", b"")
    [seen] = post.observe()
    [item] = post.outbox.next()
    assert len(seen.failures) == 150
    assert (len(item.record.failures), item.record.failures[-1]) == (100, "and 51 more")
