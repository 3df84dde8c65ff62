"""Arithmetic of byte ranges: which bytes are there, which are missing, and chunks joined together.

Ranges may come in any order, repeat, overlap or have gaps between them.
"""

from collections.abc import Iterable, Mapping

from uncia_contract.messages.records import ByteRange


def merged(ranges: Iterable[ByteRange]) -> list[ByteRange]:
    """The same bytes as sorted ranges that neither overlap nor touch."""
    found: list[ByteRange] = []
    for part in sorted(ranges, key=lambda part: part.start):
        if found and part.start <= found[-1].end:
            found[-1] = ByteRange(found[-1].start, max(part.end, found[-1].end))
        else:
            found.append(part)
    return found


def missing(ranges: Iterable[ByteRange], size: int) -> tuple[ByteRange, ...]:
    """The bytes of [0, size) that lie in none of the ranges, in order."""
    gaps, at = [], 0
    for part in merged(ranges):
        if part.start >= size:
            break
        if part.start > at:
            gaps.append(ByteRange(at, part.start))
        at = part.end
    return (*gaps, ByteRange(at, size)) if at < size else tuple(gaps)


def clipped(ranges: Iterable[ByteRange], size: int) -> list[ByteRange]:
    """The parts of the ranges within [0, size); empty ones are left out."""
    return [ByteRange(part.start, min(part.end, size)) for part in ranges if part.start < min(part.end, size)]


def without_first(ranges: Iterable[ByteRange], length: int) -> tuple[ByteRange, ...]:
    """The ranges without their first `length` bytes, counted over all of them in order."""
    left = []
    for part in ranges:
        taken = min(length, part.end - part.start)
        length -= taken
        if part.start + taken < part.end:
            left.append(ByteRange(part.start + taken, part.end))
    return tuple(left)


def joined(chunks: Mapping[int, bytes], size: int) -> bytes:
    """The `size` bytes that the chunks (by their start) give together; they must leave no gap.

    Where two chunks overlap, the one with the later start counts.
    """
    whole = bytearray(size)
    for start in sorted(chunks):
        whole[start : start + len(chunks[start])] = chunks[start]
    return bytes(whole)
