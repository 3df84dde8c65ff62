"""Whether a JPEG that decodes is damaged all the same, as bytes and pixels tell without a second decoding.

Decides what damage looks like. #1 A marker that cannot stand within a scan. #2 Restart markers out of order, too few,
too many, or not announced. #3 A whole 512-byte sector of one value, unless a flat picture would give just that. #4 Data
that are left when all rows are decoded. #5 The flat grey that the decoder leaves where data end early, unless the data
end with flat blocks. #6 Colours that shift at one block and stay shifted: a step in the rest of that row of blocks, and
in the next row up to that column. What follows the end marker is no damage: cameras append data of their own.
"""

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.JpegImagePlugin import JpegImageFile

from uncia_contract.pictures.jpeg import DecodedJpeg, Size, decode_jpeg
from uncia_contract.pictures.jpeg_scan import JpegScan, read_scan

SECTOR_BYTES = 512
SPARE_BYTES = 16  # what a decoder may leave at a scan's end: encoders pad
GREY = 128
STEP = 9  # grey levels; between neighbouring rows of blocks, less what the rows around rise or fall
STEP_SHARE = 0.7  # of the blocks' steps, each counted up to STEP; in 356 whole pictures at most 0.55
EDGE_ROWS = 8  # the eighth of rows at the top and at the bottom, with burnt-in strips, tells no step
LEAST_COLUMNS = 96  # of blocks: in a narrow picture a branch or a shadow may look like #6


def decode_checked(picture: bytes, enough: Size) -> tuple[DecodedJpeg, str]:
    """`decode_jpeg` of a picture, and what damage it shows; "" where it shows none.

    Raises:
        FrameError: the bytes are no picture that Pillow can decode in full.
    """
    check = _Check(picture)
    return decode_jpeg(picture, enough, check.load), check.damage


@dataclass
class _Check:
    """Looks at a picture before, while and after it is decoded."""

    picture: bytes
    damage: str = field(default="", init=False)

    def load(self, image: Image.Image) -> None:
        """Decodes the picture and looks at it."""
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
    """The bytes that Pillow asks for: a block at a time, the scan's last ones by themselves (#4)."""

    picture: bytes
    end: int
    given: int = 0

    def read(self, read_bytes: int) -> bytes:
        """The next bytes, at most so many of those before the last."""
        kept = self.end - SPARE_BYTES
        begin = self.given
        self.given = min(begin + read_bytes, kept) if begin < kept else self.end + 2
        return self.picture[begin : self.given]

    @property
    def damage(self) -> str:
        """What it means that the last ones were not asked for."""
        return "" if self.given > self.end else "data are left when all rows are decoded"


def marker_damage(scan: JpegScan) -> str:
    """#1, #2."""
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
    """#3."""
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
    """#5, where the data end and before each restart marker."""
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
    """#6, in the red of every other block's centre: cheap, and most shifts show there."""
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
    """The largest share of blocks that agree on one step, over all places (row, column) where it could begin."""
    columns = steps.shape[1]
    first, last = columns // 8, columns - columns // 8
    summed = np.cumsum(steps, 1, dtype=np.int32)
    before = summed[:, first:last].astype(np.float32)
    count = np.arange(first + 1, last + 1, dtype=np.float32) * (2 * STEP)
    left, right = before / count, (summed[:, -1:] - before) / (columns * 2 * STEP - count)
    sign = np.sign(right[:-1])
    agreed = np.minimum(np.abs(right[:-1]), sign * left[1:])
    return float((agreed - np.maximum(0, np.maximum(sign * left[:-1], sign * right[1:]))).max(initial=0.0))
