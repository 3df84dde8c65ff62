"""Wrong clocks: which sequences a correction moves; records do not change."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.clocks.correction import difference, shift_by_picture, shift_clock, words_of
from uncia_collector.catalogue.deployments import read_deployments, remove_deployment
from uncia_collector.catalogue.schema import events, frames, sequences
from uncia_contract.errors import DataError
from uncia_contract.messages.records import SequenceRecord, decode

HEADER = "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\n"
HOUR, YEAR = timedelta(hours=1), timedelta(days=365)
AUTUMN = datetime(2026, 9, 15, 4, tzinfo=UTC)


def place(stored, tmp_path, *lines: str) -> None:
    """Read deployments into the catalogue."""
    (tmp_path / "deployments.csv").write_text(HEADER + "\n".join(lines) + "\n")
    read_deployments(tmp_path / "deployments.csv", stored.database)


def send(stored, make_sequence, known: str, told: datetime, came: datetime, trap: str = "ridge") -> None:
    """Store a sequence with a start by its trap's clock and an arrival by the station's."""
    stored.commit(*make_sequence(id=known, trap=trap, started_at=told).messages(), now=came)


def times(stored, known: str) -> set[datetime]:
    """The start of a sequence in its row, and that of its first frame."""
    with stored.database.reading() as connection:
        began = connection.execute(select(sequences.c.started_at).where(sequences.c.id == known)).scalar_one()
        first = select(frames.c.taken_at).where(frames.c.sequence == known, frames.c.n == 0)
        return {began, connection.execute(first).scalar_one()}


@pytest.fixture
def autumn(stored, make_sequence, tmp_path):
    """This autumn's deployment, whose clock was a year behind, and last autumn's, whose clock was right."""
    place(stored, tmp_path, "old,36,73,2025-09-01,2025-11-01,ridge", "new,36,73,2026-09-01,,ridge")
    send(stored, make_sequence, "last-year", AUTUMN - YEAR, AUTUMN - YEAR)
    send(stored, make_sequence, "this-year", AUTUMN - YEAR + HOUR, AUTUMN + HOUR)
    send(stored, make_sequence, "other", AUTUMN - YEAR, AUTUMN, trap="valley")
    return stored


@pytest.mark.parametrize("by", ["difference", "picture"])
def test_a_deployments_sequences_are_moved_and_no_others(autumn, by):
    """Given a difference or the time of one picture; frames and events move too, other sequences do not."""
    if by == "difference":
        done = shift_clock(autumn.database, "new", difference("365d"))
    else:
        done = shift_by_picture(autumn.database, "new", "this-year", AUTUMN + HOUR)
    assert (done.shift, done.belong, done.moved) == (YEAR, 1, 1)
    assert times(autumn, "this-year") == {AUTUMN + HOUR}
    assert times(autumn, "last-year") == times(autumn, "other") == {AUTUMN - YEAR}
    with autumn.database.reading() as connection:
        began = set(connection.execute(select(events.c.started_at).where(events.c.trap == "ridge")).scalars())
    assert began == {AUTUMN - YEAR, AUTUMN + HOUR}


def test_the_record_keeps_what_the_trap_said(autumn):
    """The record is the same byte for byte; the row says how far it was moved."""
    shift_clock(autumn.database, "new", YEAR)
    with autumn.database.reading() as connection:
        row = connection.execute(select(sequences).where(sequences.c.id == "this-year")).one()
    told = decode(row.record, SequenceRecord).started_at
    assert (told, row.started_at - timedelta(seconds=row.clock_shift_s)) == (AUTUMN - YEAR + HOUR,) * 2


def test_a_new_difference_replaces_the_old_and_zero_takes_it_back(autumn):
    """The same difference again moves nothing."""
    moved = [shift_clock(autumn.database, "new", shift).moved for shift in (YEAR, YEAR, YEAR + HOUR, timedelta(0))]
    assert moved == [1, 0, 1, 1] and times(autumn, "this-year") == {AUTUMN - YEAR + HOUR}


def test_later_sequences_are_corrected_when_they_are_stored(autumn, make_sequence):
    """Times of the row and its frames; the same record again changes nothing."""
    shift_clock(autumn.database, "new", YEAR)
    for _ in range(2):
        send(autumn, make_sequence, "later", AUTUMN - YEAR + 9 * HOUR, AUTUMN + 10 * HOUR)
    assert times(autumn, "later") == {AUTUMN + 9 * HOUR}


def test_a_removed_or_shortened_deployment_gives_the_times_back(autumn, tmp_path):
    """Without a deployment, a sequence has its trap's own times."""
    shift_clock(autumn.database, "new", YEAR)
    place(autumn, tmp_path, "new,36,73,2026-10-01,,ridge")
    given_back = times(autumn, "this-year")
    place(autumn, tmp_path, "new,36,73,2026-09-01,,ridge")
    again = times(autumn, "this-year")
    remove_deployment(autumn.database, "new")
    told = {AUTUMN - YEAR + HOUR}
    assert (given_back, again, times(autumn, "this-year")) == (told, {AUTUMN + HOUR}, told)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (lambda database: shift_clock(database, "none", HOUR), "deployment 'none': there is none of that name"),
        (lambda database: remove_deployment(database, "none"), "deployment 'none': there is none of that name"),
        (
            lambda database: shift_by_picture(database, "new", "other", AUTUMN),
            "not from ridge, the trap of the deployment new",
        ),
        (lambda database: shift_by_picture(database, "new", "this-year", AUTUMN - YEAR), "outside of the deployment"),
    ],
    ids=["no deployment", "nothing to remove", "another trap's", "before the deployment"],
)
def test_an_impossible_correction_is_refused(autumn, wrong, message):
    """With one line."""
    with pytest.raises(DataError, match=message):
        wrong(autumn.database)


@pytest.mark.parametrize(
    ("text", "seconds", "shown"),
    [("2h", 7200, "+2h"), ("+1d3h30m", 99000, "+1d3h30m"), ("-45s", -45, "-45s"), ("- 1d 1s", -86401, "-1d1s"),
     ("0s", 0, "0s"), ("90m", 5400, "+1h30m")],
)  # fmt: skip
def test_a_difference_is_read_and_written(text, seconds, shown):
    """In days, hours, minutes and seconds."""
    assert (difference(text).total_seconds(), words_of(difference(text))) == (seconds, shown)


@pytest.mark.parametrize("text", ["", "h", "2", "1h2d", "two hours", "-", "99999d", "9" * 400 + "s"])
def test_a_text_that_is_not_a_difference_is_refused(text):
    """The message says what is expected."""
    with pytest.raises(DataError, match=r"difference .*expected"):
        difference(text)
