"""Maker's notes of Reconyx cameras, and notes with impossible values."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.contract.pictures.render_times import hyperfire, hyperfire_2, ultrafire

from uncia_contract.pictures.maker_notes import MakerNote, maker_note

CLOCK = datetime(2012, 6, 14, 18, 38, 10)  # noqa: DTZ001 - as a camera tells it
WRITERS = {"HyperFire": hyperfire, "UltraFire": ultrafire, "HyperFire 2": hyperfire_2}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_note_gives_time_event_place_and_serial_number(write) -> None:
    """By the layouts that ExifTool documents; the event number needs more than 16 bits."""
    assert maker_note(write(CLOCK, 70_000, 3, 10, "H500AB12")) == MakerNote(CLOCK, 70_000, 3, 10, "H500AB12")


@pytest.mark.parametrize("second", [0, 10])
def test_date_fields_in_the_other_byte_order_are_read(second: int) -> None:
    """Some HyperFires write only these fields in big-endian order."""
    clock = CLOCK.replace(second=second)
    assert maker_note(hyperfire(clock, 17, 2, dates=">")) == MakerNote(clock, 17, 2, 10, "H500")


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
@pytest.mark.parametrize(
    ("frame", "frames", "year"), [(1, 0, 2012), (11, 10, 2012), (0, 3, 2012), (1, 3, 1900)],
    ids=["none of none", "eleven of ten", "none of three", "1900"],
)  # fmt: skip
def test_a_note_with_impossible_values_is_none(write, frame: int, frames: int, year: int) -> None:
    """An impossible count, or a year before these cameras existed."""
    assert maker_note(write(CLOCK.replace(year=year), 1, frame, frames)) is None


def test_a_thirteenth_month_is_no_note() -> None:
    """Other impossible fields of a date, too."""
    note = hyperfire(CLOCK, 1, 1)
    assert maker_note(note[:28] + b"\x0d\0" + note[30:]) is None


@given(st.sampled_from([b"", b"\x01\xf1", b"RECONYXUF\0", b"RECONYXH2\0"]), st.binary(max_size=200))
def test_any_bytes_are_a_note_or_none(start: bytes, rest: bytes) -> None:
    """Never an error or an impossible value."""
    note = maker_note(start + rest)
    assert note is None or (1 <= note.frame <= note.frames and 1970 <= note.clock.year < 2100)


@given(st.sampled_from(list(WRITERS.values())), st.integers(0, 200), st.integers(0, 255))
def test_a_note_cut_or_damaged_anywhere_is_a_note_or_none(write, at: int, value: int) -> None:
    """As from a card that fails."""
    note = write(CLOCK, 17, 2)
    for damaged in (note[:at], note[:at] + bytes([value]) + note[at + 1 :]):
        assert maker_note(damaged) is None or isinstance(maker_note(damaged), MakerNote)
