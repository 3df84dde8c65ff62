"""Parses and checks MQTT messages; does not use the catalogue.

Decides what is refused: a topic that is not uncia's, a payload that does not match its schema, a record or state with
the name of another trap, a chunk outside its frame. `parse_message` never raises: a message that cannot be used becomes
a `RefusedMessage` with its reason.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

import msgspec
from msgspec import Struct

from uncia_contract.archive.camtrap_deployments import YEARS
from uncia_contract.errors import MessageError
from uncia_contract.messages import topics
from uncia_contract.messages.records import (
    MAX_FRAME_BYTES,
    MAX_FRAMES,
    MAX_RECORD_BYTES,
    MAX_SEQUENCE_BYTES,
    DoctorQuestion,
    SequenceRecord,
    TrapState,
    decode,
    encode,
)

MAX_MESSAGE_BYTES = MAX_RECORD_BYTES  # no valid message is larger
AVAILABILITIES = ("online", "offline", "sleeping")
_HEX = frozenset("0123456789abcdef")


@dataclass(frozen=True)
class RawMessage:
    """One MQTT message as it came.

    `token` is what the receiver needs to acknowledge it. `size` is 0, or the size in bytes of a message that was too
    large; then `payload` holds only its beginning.
    """

    topic: str
    payload: bytes
    properties: Sequence[tuple[str, str]] = ()
    retained: bool = False
    token: object = None
    size: int = 0


@dataclass(frozen=True)
class RecordMessage:
    """A sequence record, and its bytes as they came."""

    record: SequenceRecord
    payload: bytes


@dataclass(frozen=True)
class ChunkMessage:
    """A part of frame `n` that begins at byte `start`; `sha256` and `size` are those of the whole frame."""

    trap: str
    sequence: str
    n: int
    start: int
    content: bytes = field(repr=False)
    sha256: str
    size: int

    @property
    def end(self) -> int:
        """The position of the first byte after the chunk."""
        return self.start + len(self.content)


@dataclass(frozen=True)
class StateMessage:
    """A trap's state; `retained` says that it is an old one that the broker had kept."""

    state: TrapState
    payload: bytes
    retained: bool


@dataclass(frozen=True)
class AvailabilityMessage:
    """A trap's availability, one of `AVAILABILITIES`; `retained` as in `StateMessage`."""

    trap: str
    availability: str
    retained: bool


@dataclass(frozen=True)
class DoctorMessage:
    """A question of `uncia-trap doctor`: does the collector get the trap's messages?"""

    trap: str
    id: str


@dataclass(frozen=True)
class RefusedMessage:
    """A message that cannot be used, and why; `trap` and `sequence` are "" if its topic does not name them.

    `size` is that of the whole message if `payload` holds only its beginning, else 0.
    """

    topic: str
    payload: bytes = field(repr=False)
    reason: str
    trap: str = ""
    sequence: str = ""
    size: int = 0


@dataclass(frozen=True)
class RetainedMessage:
    """A retained message of a sequence; traps send none, and the broker would send it at every subscription.

    It is not stored. `kept` says that the broker still has it; an empty message (`kept` is False) has cleared it.
    """

    topic: str
    trap: str
    kept: bool


@dataclass(frozen=True)
class OverBudgetMessage:
    """How many messages of a trap were over its budget and dropped before parsing."""

    trap: str
    count: int


Message = (
    RecordMessage
    | ChunkMessage
    | StateMessage
    | AvailabilityMessage
    | DoctorMessage
    | RefusedMessage
    | RetainedMessage
    | OverBudgetMessage
)


def parse_message(raw: RawMessage, root: str = topics.ROOT) -> Message:
    """Parse a message; it becomes a `RefusedMessage` if it cannot be used."""
    try:
        address = topics.parse(raw.topic, root)
    except MessageError as error:
        refused = RefusedMessage(raw.topic, raw.payload, str(error), size=raw.size)
        return _retained(raw, "") if raw.retained else refused
    if raw.retained and not isinstance(address, topics.TrapAddress):
        return _retained(raw, address.trap)
    try:
        return _parsed(raw, address)
    except MessageError as error:
        sequence = "" if isinstance(address, topics.TrapAddress) else address.sequence
        return RefusedMessage(raw.topic, raw.payload, str(error), address.trap, sequence, raw.size)


def _parsed(raw: RawMessage, address: topics.RecordAddress | topics.ChunkAddress | topics.TrapAddress) -> Message:
    if raw.size:
        raise MessageError(f"message of {raw.size} bytes, expected at most {MAX_MESSAGE_BYTES}")
    match address:
        case topics.RecordAddress():
            return _record(raw, address)
        case topics.ChunkAddress():
            return _chunk(raw, address)
        case topics.TrapAddress():
            return _about_trap(raw, address)


def _retained(raw: RawMessage, trap: str) -> RetainedMessage:
    return RetainedMessage(raw.topic, trap, kept=bool(raw.payload))


def _record(raw: RawMessage, address: topics.RecordAddress) -> RecordMessage:
    record = decode(raw.payload, SequenceRecord)
    if record.trap != address.trap:
        raise MessageError(f"record of trap {record.trap!r} on the topic of {address.trap!r}: expected the same trap")
    if record.id != address.sequence:
        raise MessageError(f"record {record.id!r} on the topic of {address.sequence!r}")
    if (size := sum(frame.size for frame in record.frames)) > MAX_SEQUENCE_BYTES:
        raise MessageError(f"record of frames of {size} bytes in all, expected at most {MAX_SEQUENCE_BYTES}")
    _refuse_invalid_values(record)
    return RecordMessage(record, raw.payload)


def _chunk(raw: RawMessage, address: topics.ChunkAddress) -> ChunkMessage:
    properties = dict(raw.properties)
    sha256, size = properties.get("sha256", ""), properties.get("size", "")
    if len(sha256) != 64 or not _HEX.issuperset(sha256):
        raise MessageError(f"chunk: user property sha256 is {sha256[:70]!r}, expected 64 hexadecimal digits")
    if not (size.isascii() and size.isdigit() and len(size) <= 9 and 0 < int(size) <= MAX_FRAME_BYTES):
        raise MessageError(f"chunk: user property size is {size[:20]!r}, expected 1 to {MAX_FRAME_BYTES} bytes")
    if address.frame >= MAX_FRAMES:
        raise MessageError(f"chunk of frame {address.frame}: expected a number below {MAX_FRAMES}")
    chunk = ChunkMessage(address.trap, address.sequence, address.frame, address.offset, raw.payload, sha256, int(size))
    if not raw.payload or len(raw.payload) > topics.MAX_CHUNK_BYTES or chunk.end > chunk.size:
        raise MessageError(
            f"chunk of {len(raw.payload)} bytes at {address.offset} in a frame of {size}: "
            f"expected 1 to {topics.MAX_CHUNK_BYTES} bytes inside the frame"
        )
    return chunk


def _about_trap(raw: RawMessage, address: topics.TrapAddress) -> StateMessage | AvailabilityMessage | DoctorMessage:
    if address.kind == "availability":
        text = raw.payload[:20].decode("ascii", "replace")
        if text not in AVAILABILITIES:
            raise MessageError(f"availability {text!r}: expected one of {', '.join(AVAILABILITIES)}")
        return AvailabilityMessage(address.trap, text, raw.retained)
    if address.kind == "doctor":
        return DoctorMessage(address.trap, decode(raw.payload, DoctorQuestion).id)
    if address.kind != "state":
        raise MessageError(f"{address.kind}: no command waits for it")
    state = decode(raw.payload, TrapState)
    if state.trap != address.trap:
        raise MessageError(f"state of trap {state.trap!r} on the topic of {address.trap!r}: expected the same trap")
    _refuse_invalid_values(state)
    if state.latitude is None and state.longitude is None:
        return StateMessage(state, raw.payload, raw.retained)
    state = msgspec.structs.replace(state, latitude=None, longitude=None)  # sent by release 0.1; not stored
    return StateMessage(state, encode(state), raw.retained)


def _refuse_invalid_values(message: Struct) -> None:
    """Refuse a text with NUL, which PostgreSQL cannot store, and a time outside `YEARS`, which no clock shows."""
    for leaf in _leaves(msgspec.to_builtins(message, builtin_types=(datetime, bytes))):
        if isinstance(leaf, str) and "\0" in leaf:
            raise MessageError(f"{type(message).__name__}: NUL in the text {leaf[:40]!r}")
        if isinstance(leaf, datetime) and leaf.year not in YEARS:
            raise MessageError(f"{type(message).__name__}: the time {leaf} has no year of {YEARS[0]} to {YEARS[-1]}")


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        for part in value.values():
            yield from _leaves(part)
    elif isinstance(value, list | tuple):
        for part in value:
            yield from _leaves(part)
    else:
        yield value
