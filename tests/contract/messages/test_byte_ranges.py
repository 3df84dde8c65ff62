"""Arithmetic of byte ranges gives the same results as sets of bytes, for any order and overlap."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.messages.byte_ranges import clipped, joined, merged, missing, without_first
from uncia_contract.messages.records import ByteRange

Ranges = st.lists(
    st.builds(lambda start, length: ByteRange(start, start + length), st.integers(0, 30), st.integers(1, 9))
)


def octets(ranges: list[ByteRange] | tuple[ByteRange, ...]) -> list[int]:
    """The numbers of the bytes, in the ranges' order."""
    return [n for part in ranges for n in range(part.start, part.end)]


@given(Ranges)
def test_merged_ranges_hold_the_same_bytes_once_and_in_order(ranges: list[ByteRange]) -> None:
    """No two of them touch."""
    found = merged(ranges)
    assert octets(found) == sorted(set(octets(ranges)))
    assert all(before.end < after.start for before, after in pairwise(found))


@given(Ranges, st.integers(0, 40))
def test_missing_is_what_no_range_holds(ranges: list[ByteRange], size: int) -> None:
    """Ranges beyond the size are ignored."""
    assert octets(missing(ranges, size)) == sorted(set(range(size)) - set(octets(ranges)))


@given(Ranges, st.integers(0, 40))
def test_clipped_ranges_end_at_the_size(ranges: list[ByteRange], size: int) -> None:
    """None of them is empty."""
    found = clipped(ranges, size)
    assert octets(found) == [n for n in octets(ranges) if n < size]
    assert all(part.start < part.end for part in found)


@given(Ranges, st.integers(0, 60))
def test_the_first_bytes_are_taken_through_all_ranges(ranges: list[ByteRange], length: int) -> None:
    """For example when an interrupted transfer continues."""
    assert octets(without_first(ranges, length)) == octets(ranges)[length:]


def test_chunks_are_joined_in_any_order() -> None:
    """Where two overlap, the later start wins."""
    assert joined({3: b"def", 0: b"abcX"}, 6) == b"abcdef"
