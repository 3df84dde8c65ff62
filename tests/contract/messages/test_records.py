"""Messages can be encoded and decoded without change; wrong ones are refused."""

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from uncia_contract.errors import MessageError
from uncia_contract.messages.records import (
    BundleIdentity,
    ByteRange,
    ClockTrust,
    FrameEntry,
    MissingFrame,
    Receipt,
    SequenceRecord,
    decode,
    encode,
)

SHA = "0" * 64
ids = st.from_regex(r"[A-Za-z0-9_-]{1,64}", fullmatch=True)
probabilities = st.floats(0, 1)
times = st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@st.composite
def records(draw: st.DrawFn) -> SequenceRecord:
    """Any record that a trap could write."""
    count = draw(st.integers(1, 12))
    frames = tuple(
        FrameEntry(
            n,
            draw(st.text(max_size=40)),
            SHA,
            draw(st.integers(1, 10**7)),
            draw(times | st.none()),
            draw(probabilities | st.none()),
            draw(st.tuples(*[probabilities] * 4) | st.none()),
        )
        for n in range(count)
    )
    return SequenceRecord(
        id=draw(ids),
        trap="ridge-1",
        event=draw(ids),
        started_at=draw(times),
        ended_at=draw(times),
        clock=ClockTrust(draw(st.booleans()), "boot", draw(st.floats(0, 1e9))),
        frames=frames,
        frames_scored=draw(st.integers(0, count)),
        confidence=draw(probabilities),
        upper_bound=draw(st.booleans()),
        threshold=draw(probabilities),
        positive=draw(st.booleans()),
        label="snow_leopard",
        bundle=BundleIdentity("demo", 1, SHA),
    )


@given(records())
def test_a_record_survives_the_round_trip(record: SequenceRecord) -> None:
    """For any record."""
    assert decode(encode(record), SequenceRecord) == record


@given(ids, st.lists(st.integers(0, 999), max_size=5), st.integers(0, 10**6))
def test_a_receipt_survives_the_round_trip(sequence: str, stored: list[int], start: int) -> None:
    """With its missing ranges."""
    missing = (MissingFrame(1, (ByteRange(start, start + 10),)),)
    receipt = Receipt(sequence, True, tuple(stored), missing)
    assert decode(encode(receipt), Receipt) == receipt


@given(st.binary(max_size=300))
def test_arbitrary_bytes_are_refused_in_one_way(payload: bytes) -> None:
    """Random bytes raise MessageError and no other error."""
    with pytest.raises(MessageError):
        decode(payload, SequenceRecord)


def _fields() -> dict[str, object]:
    record = SequenceRecord(
        "t-1", "t", "t-1", datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC),
        ClockTrust(True, "b", 1.0), (FrameEntry(0, "a.jpg", SHA, 10, score=0.9),), 1, 0.9, False, 0.5, True,
        "snow_leopard", BundleIdentity("demo", 1, SHA),
    )  # fmt: skip
    fields: dict[str, object] = msgspec.json.decode(encode(record))
    return fields


def test_an_unknown_field_is_ignored() -> None:
    """So an older collector can read messages of a newer trap."""
    assert decode(msgspec.json.encode(_fields() | {"humidity": 3}), SequenceRecord).id == "t-1"


@pytest.mark.parametrize(
    "change",
    [
        {"id": "../etc"},
        {"trap": "Ridge 1"},
        {"confidence": 1.5},
        {"started_at": "2026-01-01T00:00:00"},
        {"frames": []},
        {"frames_scored": 2},
        {"schema": "uncia.sequence/9"},
        {"frames": [{"n": 1, "name": "a", "sha256": SHA, "size": 3}]},
    ],
    ids=["id", "trap", "confidence", "naive time", "no frames", "scored", "schema", "numbering"],
)
def test_a_value_out_of_bounds_is_refused(change: dict[str, object]) -> None:
    """The message names the field."""
    with pytest.raises(MessageError):
        decode(msgspec.json.encode(_fields() | change), SequenceRecord)


def test_a_missing_field_is_refused_by_name() -> None:
    """So the sender's programmer can see which one."""
    fields = _fields()
    del fields["threshold"]
    with pytest.raises(MessageError, match="threshold"):
        decode(msgspec.json.encode(fields), SequenceRecord)


def test_only_a_receipt_without_gaps_means_delivered() -> None:
    """A stored record with a missing frame is not delivered."""
    assert [Receipt("a", True).complete, Receipt("a", True, missing=(MissingFrame(0),)).complete] == [True, False]


def test_a_record_of_one_label_has_no_field_of_probabilities() -> None:
    """Byte for byte what an older collector reads."""
    assert "probabilities" not in _fields()


def test_each_labels_probability_survives_the_round_trip() -> None:
    """With several positive labels; a value out of bounds is refused."""
    fields = _fields() | {"probabilities": {"prey": 0.25, "snow_leopard": 0.5}}
    assert decode(msgspec.json.encode(fields), SequenceRecord).probabilities == {"prey": 0.25, "snow_leopard": 0.5}
    with pytest.raises(MessageError, match="probabilities"):
        decode(msgspec.json.encode(fields | {"probabilities": {"prey": 1.5}}), SequenceRecord)
