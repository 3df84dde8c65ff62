"""Finds damage in a JPEG that can be decoded, from its bytes and its pixels, with one decoding.

These are signs of damage:
#1 A marker that is not allowed within a scan.
#2 Restart markers that are out of order, too few, too many, or not announced.
#3 A whole 512-byte sector of one value, unless a flat picture would be stored so.
#4 Data that are left when all rows are decoded.
#5 The flat grey that the decoder leaves where data end early, unless the data end with flat blocks.
#6 Colours that shift at one block and stay shifted: a step in the rest of that row of blocks, and in the next row up to
that column.
Data after the end marker are no damage: cameras append their own.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from uncia_contract.pictures.jpeg import DecodedJpeg, Size, decode_jpeg
from uncia_contract.pictures.jpeg_scan import JpegScan, read_scan

SECTOR_BYTES = 512
SPARE_BYTES = 16  # a decoder need not read these last bytes of a scan, because encoders add padding
GREY = 128
STEP = 9  # grey levels between neighbouring rows of blocks, minus the change in the rows around them
STEP_SHARE = 0.7  # least share of the blocks' steps, each cut to STEP; in 356 undamaged pictures it is at most 0.55
EDGE_ROWS = 8  # one eighth of the rows at top and bottom is not searched: burnt-in strips
LEAST_COLUMNS = 96  # blocks; in a narrower picture a branch or a shadow may look like #6


def decode_checked(picture: bytes, enough: Size) -> tuple[DecodedJpeg, str]:
    """The decoded picture (`decode_jpeg`), and a description of its damage; "" for an undamaged picture.

    Raises:
        FrameError: Pillow cannot decode the whole picture.
    """
    check = _Check(picture)
    return decode_jpeg(picture, enough, check.load), check.damage


@dataclass
class _Check:
    """Checks a picture before, during and after its decoding."""

    picture: bytes
    damage: str = field(default="", init=False)

    def load(self, image: Image.Image) -> None:
        """Decode the picture and set `damage`."""
        scan = read_scan(self.picture)
        if scan is None or not isinstance(image, JpegImageFile):
            image.load()
            return
        self.damage = marker_damage(scan) or sector_damage(self.picture, scan)
        feed = _Feed(self.picture, scan.end)
        image.load_read = feed.read  # type: ignore[method-assign]
        image.load()
        self.damage = self.damage or feed.damage or grey_damage(image, self.picture, scan) or step_damage(image, scan)


@dataclass
class _Feed:
    """Gives Pillow the file block by block, with the scan's last bytes as a block of their own (#4)."""

    picture: bytes
    end: int
    given: int = 0

    def read(self, read_bytes: int) -> bytes:
        """The next block: at most `read_bytes` bytes, or the last bytes of the scan."""
        kept = self.end - SPARE_BYTES
        begin = self.given
        self.given = min(begin + read_bytes, kept) if begin < kept else self.end + 2
        return self.picture[begin : self.given]

    @property
    def damage(self) -> str:
        """#4, if Pillow did not read the last bytes; else ""."""
        return "" if self.given > self.end else "data are left when all rows are decoded"


def marker_damage(scan: JpegScan) -> str:
    """A description of wrong markers (#1, #2), or ""."""
    if scan.foreign:
        return f"marker ff {scan.foreign[0]:02x} within the scan"
    numbers = np.asarray(scan.restarts)[:, 1] if scan.restarts else np.zeros(0, int)
    if len(numbers) and not scan.interval:
        return "restart markers where none are announced"
    if not np.array_equal(numbers, np.arange(len(numbers)) % 8):
        return "restart markers out of order"
    expected = -(-scan.blocks // scan.interval) - 1 if scan.interval else 0
    return "" if len(numbers) == expected else f"{len(numbers)} restart markers, expected {expected}"


def sector_damage(picture: bytes, scan: JpegScan) -> str:
    """A description of an overwritten sector (#3), or ""."""
    first, last = -(-scan.begin // SECTOR_BYTES), scan.end // SECTOR_BYTES
    if last <= first or scan.flat_byte:
        return ""
    whole = np.frombuffer(picture, np.uint8, (last - first) * SECTOR_BYTES, first * SECTOR_BYTES)
    sectors = whole.reshape(-1, SECTOR_BYTES)
    value = sectors[:, 0]
    alike = np.flatnonzero((value == sectors[:, 255]) & (value == sectors[:, 511]) & (value == sectors[:, 128]))
    for number in alike:
        if (sectors[number] == value[number]).all():
            return f"a sector of nothing but {value[number]:02x} at byte {(first + number) * SECTOR_BYTES}"
    return ""


def grey_damage(image: Image.Image, picture: bytes, scan: JpegScan) -> str:
    """A description of grey where data end early, at the end and before each restart marker (#5), or ""."""
    if not scan.flat:
        return ""
    grey = GREY if image.mode == "L" else (GREY,) * len(image.getbands())
    ends = [(at, (number + 1) * scan.interval - 1) for number, (at, _) in enumerate(scan.restarts)]
    for at, block in (*ends, (scan.end, scan.blocks - 1)):
        centres = [_centre(image, scan, one) for one in (block, block - 1) if one >= 0]
        if all(image.getpixel(centre) == grey for centre in centres) and not scan.ends_flat(picture, at):
            return f"grey where data end early, at byte {at}"
    return ""


def _centre(image: Image.Image, scan: JpegScan, block: int) -> tuple[int, int]:
    row, column = divmod(block, scan.columns)
    width, height = scan.block_in(image.size)
    return min(column * width + width // 2, image.width - 1), min(row * height + height // 2, image.height - 1)


def step_damage(image: Image.Image, scan: JpegScan) -> str:
    """A description of colours that shift (#6), or "". It compares the red at the centre of every other block."""
    if image.mode != "RGB" or scan.interval or not scan.flat or scan.columns < LEAST_COLUMNS:
        return ""
    width, height = scan.block_in(image.size)
    columns, rows = image.width // (2 * width), image.height // height
    box = (0, 0, 2 * width * columns, height * rows)
    centres = np.asarray(image.resize((columns, rows), Image.Resampling.NEAREST, box))[:, :, 0].astype(np.int16)
    edge = max(2, rows // EDGE_ROWS)
    rises = np.diff(centres[edge - 2 : rows - edge], axis=0)
    if len(rises) < 4:
        return ""
    steps = np.clip(2 * rises[1:-1] - rises[2:] - rises[:-2], -2 * STEP, 2 * STEP)
    return "colours shift at one block and stay shifted" if _step_share(steps) > STEP_SHARE else ""


def _step_share(steps: NDArray[np.int16]) -> float:
    """The largest share of blocks with the same step, over all places (row, column) where the step could begin."""
    columns = steps.shape[1]
    first, last = columns // 8, columns - columns // 8
    summed = np.cumsum(steps, 1, dtype=np.int32)
    before = summed[:, first:last].astype(np.float32)
    count = np.arange(first + 1, last + 1, dtype=np.float32) * (2 * STEP)
    left, right = before / count, (summed[:, -1:] - before) / (columns * 2 * STEP - count)
    sign = np.sign(right[:-1])
    agreed = np.minimum(np.abs(right[:-1]), sign * left[1:])
    return float((agreed - np.maximum(0, np.maximum(sign * left[:-1], sign * right[1:]))).max(initial=0.0))
