"""Puts a frame together from chunks that come in any order, twice, overlapping or with gaps.

Decides which byte ranges are there and which are missing; pure, what it is given and gives back are ranges and bytes.
"""

from collections.abc import Iterable, Mapping

Range = tuple[int, int]


def covered(ranges: Iterable[Range]) -> list[Range]:
    """The ranges merged: sorted, disjoint, none touching the next."""
    merged: list[Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def missing(ranges: Iterable[Range], size: int) -> list[Range]:
    """What of [0, size) the ranges leave out, in order."""
    gaps, at = [], 0
    for start, end in covered(ranges):
        if start > at:
            gaps.append((at, start))
        at = max(at, end)
    if at < size:
        gaps.append((at, size))
    return gaps


def joined(chunks: Mapping[int, bytes], size: int) -> bytes:
    """The `size` bytes of a frame whose chunks (start: bytes) leave no gap; where two overlap, the later start wins."""
    whole = bytearray(size)
    for start in sorted(chunks):
        whole[start : start + len(chunks[start])] = chunks[start]
    return bytes(whole)
