"""A damaged picture that can still be decoded is recognised; each kind of damage is made on a rendered scene."""

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from uncia_contract.pictures.damaged_scan import decode_checked
from uncia_contract.pictures.jpeg import decode_jpeg
from uncia_contract.pictures.jpeg_scan import read_scan

SCENE = Path(__file__).parents[1] / "scene.jpg"
ENOUGH = (400, 336)


def scene(**options: object) -> bytes:
    """The rendered scene at 1600 x 1200."""
    out = io.BytesIO()
    with Image.open(SCENE) as image:
        image.convert("RGB").resize((1600, 1200), Image.Resampling.BICUBIC).save(out, "JPEG", quality=85, **options)
    return out.getvalue()


WHOLE, RESTARTS = scene(), scene(restart_marker_rows=1)


def damage(picture: bytes) -> str:
    """The description of the picture's damage."""
    return decode_checked(picture, ENOUGH)[1]


def with_bytes(picture: bytes, share: float, new: bytes, aligned: int = 1) -> bytes:
    """The picture with other bytes at that share of its scan."""
    scan = read_scan(picture)
    assert scan is not None
    at = int(scan.begin + share * (scan.end - scan.begin)) // aligned * aligned
    return picture[:at] + new + picture[at + len(new) :]


def restart(picture: bytes, number: int) -> int:
    """The offset of that restart marker."""
    scan = read_scan(picture)
    assert scan is not None
    return scan.restarts[number][0]


def shifted(picture: bytes) -> bytes:
    """One bit flipped so that every later block is lighter or darker, and nothing else is lost."""
    scan = read_scan(picture)
    assert scan is not None
    middle = (scan.begin + scan.end) // 2
    for at in range(middle, middle + 300):
        broken = picture[:at] + bytes([picture[at] ^ 0x20]) + picture[at + 1 :]
        if (found := read_scan(broken)) and not found.foreign and damage(broken).startswith("colours"):
            return broken
    raise AssertionError("no such bit")


DAMAGES: dict[str, tuple[Callable[[], bytes], str]] = {
    "foreign marker": (lambda: with_bytes(WHOLE, 0.5, b"\xff\x01"), "marker ff 01"),
    "unannounced restart": (lambda: with_bytes(WHOLE, 0.5, b"\xff\xd3"), "none are announced"),
    "restart out of order": (
        lambda: RESTARTS[: restart(RESTARTS, 9)] + b"\xff\xd5" + RESTARTS[restart(RESTARTS, 9) + 2 :],
        "out of order",
    ),
    "restarts missing": (
        lambda: RESTARTS[: restart(RESTARTS, 4)] + RESTARTS[restart(RESTARTS, 12) :],
        "restart markers, expected",
    ),
    "zeroed sector": (lambda: with_bytes(WHOLE, 0.5, bytes(512), 512), "a sector of nothing but 00"),
    "zeroed cluster": (lambda: with_bytes(RESTARTS, 0.5, bytes(4096), 4096), "expected|nothing but 00|out of order"),
    "data left": (lambda: WHOLE[:-2] + b"\x55" * 64 + WHOLE[-2:], "data are left"),
    "early end": (lambda: WHOLE[: len(WHOLE) * 3 // 4] + b"\x12\xff\xd9", "grey where data end early"),
    "shift of light": (lambda: shifted(WHOLE), "stay shifted"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGES)
def test_damage_is_named(kind: str) -> None:
    """The pixels are the same as without the check."""
    make, told = DAMAGES[kind]
    decoded, said = decode_checked(make(), ENOUGH)
    assert any(part in said for part in told.split("|")), said
    assert decoded.image.tobytes() == decode_jpeg(make(), ENOUGH).image.tobytes()


def flat(colour: object, mode: str = "RGB", **options: object) -> bytes:
    """A picture of one colour, as from a covered lens or in fog."""
    out = io.BytesIO()
    Image.new(mode, (1600, 1200), colour).save(out, "JPEG", **options)  # type: ignore[arg-type]
    return out.getvalue()


def striped() -> bytes:
    """The scene with burnt-in strips, one of them with a step at the border of blocks."""
    out = io.BytesIO()
    with Image.open(io.BytesIO(WHOLE)) as image:
        pen = ImageDraw.Draw(image)
        pen.rectangle((0, 0, 1599, 47), "black")
        pen.rectangle((0, 48, 799, 63), "black")
        pen.rectangle((0, 1152, 1599, 1199), "white")
        image.save(out, "JPEG", quality=85)
    return out.getvalue()


def turned() -> bytes:
    """The scene stored with another orientation."""
    exif = Image.Exif()
    exif[0x0112] = 6
    return scene(exif=exif)


SOUND: dict[str, Callable[[], bytes]] = {
    "scene": lambda: WHOLE,
    "restart markers": lambda: RESTARTS,
    "restart markers by blocks": lambda: scene(restart_marker_blocks=7),
    "progressive": lambda: scene(progressive=True),
    "optimised": lambda: scene(optimize=True),
    "full colour": lambda: scene(subsampling=0),
    "stored on its side": turned,
    "grey": lambda: flat(90, "L"),
    "the decoder's own grey": lambda: flat((128, 128, 128)),
    "fill bytes behind that grey": lambda: flat((128, 128, 128))[:-2] + b"\xff\xff\xff\xd9",
    "grey of one channel": lambda: flat(128, "L"),
    "black": lambda: flat("black"),
    "one byte again and again": lambda: flat(90, "L", optimize=True),
    "burnt-in strips": striped,
    "data behind the end": lambda: WHOLE + bytes(5000) + b"\xff\xd8\xff\xc5" + WHOLE,
    "fill bytes before the end": lambda: WHOLE[:-2] + b"\xff\xff" + WHOLE[-2:],
}


@pytest.mark.parametrize("kind", SOUND)
def test_a_whole_picture_is_not_called_damaged(kind: str) -> None:
    """Unusual but correct files of cameras."""
    assert damage(SOUND[kind]()) == ""


def test_any_header_gives_an_answer() -> None:
    """For any bytes in the header, the check gives an answer or leaves the picture to the decoder."""
    dice = np.random.default_rng(5)
    for _ in range(60):
        content = bytearray(WHOLE[:700])
        for at in dice.integers(2, 700, 6):
            content[at] = dice.integers(0, 256)
        read_scan(bytes(content) + WHOLE[700:5000] + b"\xff\xd9")
