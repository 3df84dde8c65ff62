"""Reads the structure of a JPEG's scan without decoding it: begin, end, markers, blocks, the code of a flat block.

A scan ends with the first end marker; segments between the scans of a progressive JPEG are part of it. A block is a
minimum coded unit, 8 x 8 to 16 x 16 pixels or more. A block is flat if it equals the block before it in every colour;
encoders write the same bits for each flat block.
"""

import io
import struct
from dataclasses import dataclass

import numpy as np

from uncia_contract.errors import FrameError
from uncia_contract.pictures.jpeg import segments

_RESTARTS, _EOI, _SOS = range(0xD0, 0xD8), 0xD9, 0xDA
_BETWEEN_SCANS = {0xC4, _SOS, 0xDB, 0xDC, 0xDD, 0xFE, *range(0xE0, 0xF0)}
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_SEQUENTIAL = (0xC0, 0xC1)


@dataclass(frozen=True)
class JpegScan:
    """The structure of a scan.

    Attributes:
        begin: the offset of its first byte.
        end: the offset of the end marker.
        size: the picture's (width, height) in pixels.
        block: (width, height) of a block in pixels.
        interval: the number of blocks between restart markers; 0 if none are announced.
        restarts: (offset, number) of each restart marker.
        foreign: the markers that are not allowed in a scan.
        flat: the code of a flat block as a text of 0 and 1; "" if there is more than one scan.
    """

    begin: int
    end: int
    size: tuple[int, int]
    block: tuple[int, int]
    interval: int
    restarts: tuple[tuple[int, int], ...]
    foreign: tuple[int, ...]
    flat: str

    @property
    def columns(self) -> int:
        """The number of blocks in a row."""
        return -(-self.size[0] // self.block[0])

    @property
    def blocks(self) -> int:
        """The number of blocks."""
        return self.columns * -(-self.size[1] // self.block[1])

    @property
    def flat_byte(self) -> bool:
        """Whether a flat part of the picture could be stored as one repeated byte."""
        whole = self.flat * 8
        return not self.flat or whole == whole[8:] + whole[:8]

    def block_in(self, size: tuple[int, int]) -> tuple[int, int]:
        """(width, height) in pixels of a block in the picture decoded to `size`."""
        scale = max(1, round(self.size[0] / size[0]))
        return max(1, self.block[0] // scale), max(1, self.block[1] // scale)

    def ends_flat(self, picture: bytes, at: int) -> bool:
        """Whether the data before offset `at` end with a flat block, padded to a byte."""
        tail = picture[max(self.begin, at - 2 * len(self.flat)) : at].rstrip(b"\xff").replace(b"\xff\x00", b"\xff")
        bits = "".join(f"{byte:08b}" for byte in tail)
        return any(bits[: len(bits) - padding].endswith(self.flat) for padding in range(8))


def read_scan(picture: bytes) -> JpegScan | None:
    """The structure of a picture's scan; None if its header or end marker is missing or damaged."""
    try:
        header = _Header(picture)
    except (FrameError, IndexError, KeyError, ValueError, struct.error):
        return None
    after = np.frombuffer(picture, np.uint8, offset=header.begin)
    found = np.flatnonzero(after[:-1] == 0xFF)
    markers = after[found + 1]
    known = (markers != 0) & (markers != 0xFF)  # neither a stuffed byte nor a fill byte
    found, markers = found[known] + header.begin, markers[known]
    ends = np.flatnonzero(markers == _EOI)
    if not len(ends):
        return None
    pairs = list(zip(found[: ends[0]].tolist(), markers[: ends[0]].tolist(), strict=True))
    restarts = tuple((at, marker - 0xD0) for at, marker in pairs if marker in _RESTARTS)
    allowed = {*_RESTARTS, *(_BETWEEN_SCANS if header.is_several else ())}
    foreign = tuple(marker for _, marker in pairs if marker not in allowed)
    return JpegScan(
        header.begin, int(found[ends[0]]), header.size, header.block, header.interval,
        () if header.is_several else restarts, foreign, header.flat,
    )  # fmt: skip


class _Header:
    """The parts of a header that describe the scan after it."""

    def __init__(self, picture: bytes) -> None:
        self.begin = self.interval = 0
        self._sampling: dict[int, tuple[int, int]] = {}
        self._codes: dict[int, str] = {}  # of 0 (no difference, end of block), by table
        for marker, at, length in segments(io.BytesIO(picture)):
            body = picture[at + 4 : at + 2 + length]
            if marker in _FRAMES:
                self._read_frame(marker, body)
            elif marker == 0xC4:
                self._read_codes(body)
            elif marker == 0xDD:
                (self.interval,) = struct.unpack(">H", body)
            elif marker == _SOS:
                self._read_scan(body)
                self.begin = at + 2 + length
        if not self.begin or 0 in self.block:
            raise ValueError("no scan")

    def _read_frame(self, marker: int, body: bytes) -> None:
        height, width = struct.unpack(">HH", body[1:5])
        parts = [body[6 + 3 * number : 9 + 3 * number] for number in range(body[5])]
        self._sampling = {part[0]: (part[1] >> 4, part[1] & 15) for part in parts}
        across, down = (max(sides) for sides in zip(*self._sampling.values(), strict=True))
        self.size, self._is_sequential = (width, height), marker in _SEQUENTIAL
        self.block = (8 * across, 8 * down) if len(parts) > 1 else (8, 8)

    def _read_codes(self, body: bytes) -> None:
        while body:
            counts, code, values = body[1:17], 0, body[17 : 17 + sum(body[1:17])]
            place = 0
            for bits, count in enumerate(counts, start=1):
                if 0 in values[place : place + count]:
                    self._codes[body[0]] = f"{code + values.index(0) - place:0{bits}b}"
                code, place = (code + count) << 1, place + count
            body = body[17 + len(values) :]

    def _read_scan(self, body: bytes) -> None:
        if not self._sampling:
            raise ValueError("a scan without a frame")
        parts = [(body[1 + 2 * number], body[2 + 2 * number]) for number in range(body[0])]
        self.is_several = not self._is_sequential or len(parts) < len(self._sampling)
        self.interval = 0 if self.is_several else self.interval
        self.flat = "" if self.is_several else "".join(self._flat(part, tables, len(parts)) for part, tables in parts)

    def _flat(self, part: int, tables: int, parts: int) -> str:
        across, down = self._sampling[part] if parts > 1 else (1, 1)
        return (self._codes[tables >> 4] + self._codes[0x10 | tables & 15]) * across * down
