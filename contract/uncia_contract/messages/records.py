"""What trap and collector say to each other: the JSON messages of DESIGN 7, as frozen structs.

Decides names, types and bounds of every field; `topics` decides where messages go, outbox and collector decide when.
Unknown fields are ignored (an older collector reads a newer trap), missing ones and wrong types are refused.
Times are aware UTC datetimes, sizes bytes, probabilities in [0, 1].
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from uncia_contract.errors import UNDECODABLE, MessageError

# Bounds keep a hostile or broken sender from filling a disk with one message.
MAX_FRAMES = 1000
MAX_RECORD_BYTES = 1024 * 1024
MAX_FRAME_BYTES = 64 * 1024 * 1024
MAX_SEQUENCE_BYTES = 4 * 1024**3  # the frames of one burst together
MAX_PREVIEW_BYTES = 64 * 1024
MAX_PIECE_BYTES = 64 * 1024
MAX_LABELS = 1000
MAX_CAMERAS = 100

Probability = Annotated[float, Meta(ge=0.0, le=1.0)]
Count = Annotated[int, Meta(ge=0)]
Sha256 = Annotated[str, Meta(pattern="^[0-9a-f]{64}$")]
TRAP_ID = "^[a-z0-9_-]{1,32}$"
TrapId = Annotated[str, Meta(pattern=TRAP_ID)]
SequenceId = Annotated[str, Meta(pattern="^[A-Za-z0-9_-]{1,64}$")]
Name = Annotated[str, Meta(max_length=255)]
CAMERA_ID = "^[A-Za-z0-9_.-]{0,31}$"
CameraId = Annotated[str, Meta(pattern=CAMERA_ID)]
UtcTime = Annotated[datetime, Meta(tz=True)]


class BundleIdentity(Struct, frozen=True):
    """Which bundle decided: its name, version and the sha256 of the whole file."""

    name: Name
    version: Annotated[int, Meta(ge=1)]
    sha256: Sha256


class ClockTrust(Struct, frozen=True):
    """How far a time can be trusted, and what to correct it with later.

    `source` tells where the frames' times come from: the trap's own clock, the camera's EXIF, or neither
    (`none`: times are those of arrival). `boottime_s` is CLOCK_BOOTTIME, in seconds since `boot_id` began,
    read when the record was made.
    """

    synchronised: bool
    boot_id: Name
    boottime_s: Annotated[float, Meta(ge=0.0)]
    source: Literal["trap", "exif", "none"] = "trap"


class FrameEntry(Struct, frozen=True):
    """One frame of a sequence: who it is, what it scored, and which part of it was looked at.

    `score` is None where early exit made scoring needless or the frame could not be decoded. `region` is
    (left, top, width, height) in fractions of the oriented frame, None where the whole frame was scored; `why` is the
    reason of either, in the words of `regions.RegionChoice`, empty where the trap did not say.
    """

    n: Count
    name: Name
    sha256: Sha256
    size: Annotated[int, Meta(ge=1, le=MAX_FRAME_BYTES)]
    taken_at: UtcTime | None = None
    score: Probability | None = None
    region: tuple[Probability, Probability, Probability, Probability] | None = None
    why: Annotated[str, Meta(max_length=32)] = ""


class Preview(Struct, frozen=True):
    """A thumbnail of frame `n`, made for sending: an oriented JPEG of `width` by `height` pixels (base64 in JSON)."""

    n: Count
    width: Annotated[int, Meta(ge=1, le=4096)]
    height: Annotated[int, Meta(ge=1, le=4096)]
    jpeg: Annotated[bytes, Meta(max_length=MAX_PREVIEW_BYTES)]


class SequenceRecord(Struct, frozen=True):
    """The record of one sequence, published before its frames.

    `confidence` is the number that decided: the mean of the frames' probabilities. For a negative that was
    settled early it is the upper bound that could not reach the threshold, and `upper_bound` is True.
    `label` is the likeliest positive label. Where the bundle has several, `probabilities` holds the mean of each over
    the scored frames, and their sum decided; where it has one, the field is left out.
    `audit` marks a rejected sequence that was sent for estimating the miss rate. `event` ties together the
    sequences that a never-ending burst was cut into. `preview` shows the best frame until its original has arrived; it
    is left out where the link is too thin for it. `test` marks the one that somebody asked for, whatever its verdict.
    `camera` names the one of a hub's cameras that it is of.
    """

    id: SequenceId
    trap: TrapId
    event: SequenceId
    started_at: UtcTime
    ended_at: UtcTime
    clock: ClockTrust
    frames: Annotated[tuple[FrameEntry, ...], Meta(min_length=1, max_length=MAX_FRAMES)]
    frames_scored: Count
    confidence: Probability
    upper_bound: bool
    threshold: Probability
    positive: bool
    label: Name
    bundle: BundleIdentity
    failures: tuple[Name, ...] = ()
    audit: bool = False
    historical: bool = False
    preview: Preview | None = None
    probabilities: Annotated[dict[Name, Probability], Meta(max_length=MAX_LABELS)] | UnsetType = UNSET
    test: bool = False
    camera: CameraId = ""
    schema: Literal["uncia.sequence/1"] = "uncia.sequence/1"


class ByteRange(Struct, frozen=True, array_like=True):
    """Bytes from `start` up to but not including `end`."""

    start: Count
    end: Count


class MissingFrame(Struct, frozen=True):
    """What the collector still lacks of one frame; no ranges means all of it."""

    n: Count
    ranges: tuple[ByteRange, ...] = ()


class Receipt(Struct, frozen=True):
    """From the collector, after its own commit: what of one sequence is safe with it.

    `record_stored` with an empty `missing` is the only thing that means *delivered*. `refused` names why
    the collector will never take the sequence (a conflicting hash, a broken record); it is then parked.
    """

    sequence: SequenceId
    record_stored: bool
    frames_stored: tuple[Count, ...] = ()
    missing: tuple[MissingFrame, ...] = ()
    refused: Annotated[str, Meta(max_length=300)] | None = None
    schema: Literal["uncia.receipt/1"] = "uncia.receipt/1"

    @property
    def complete(self) -> bool:
        """Whether record and all frames are safe with the collector."""
        return self.record_stored and not self.missing and self.refused is None


class Counters(Struct, frozen=True):
    """Totals since the trap was installed (kept over restarts)."""

    frames: Count = 0
    bursts: Count = 0
    positives: Count = 0
    failures: Count = 0
    drops: Count = 0
    parked: Count = 0
    bytes_sent: Count = 0
    vetoed: Count = 0


class CameraSign(Struct, frozen=True):
    """A hub's camera: its last sign of life, by the trap's clock, and its bursts so far."""

    camera: CameraId
    seen_at: UtcTime
    bursts: Count = 0


class TrapState(Struct, frozen=True, omit_defaults=True):
    """Birth certificate and health, retained: who the trap is and how it fares.

    `temperature_c` in degrees Celsius, `battery_v` in volts, where the machine knows them. `outbox_age_s` is the
    age of the oldest undelivered sequence. `next_pass_at` is when a trap that is powered for single passes
    comes back, by the clock that says `sent_at`.
    """

    trap: TrapId
    bundle: BundleIdentity
    runtime: Name
    delegate: Name
    software: Name
    boot_id: Name
    uptime_s: Annotated[float, Meta(ge=0.0)]
    sent_at: UtcTime
    clock_synchronised: bool
    disk_free_bytes: Count
    outbox_sequences: Count
    outbox_bytes: Count
    outbox_age_s: Annotated[float, Meta(ge=0.0)]
    counters: Counters
    configuration_revision: Count = 0
    temperature_c: float | None = None
    battery_v: float | None = None
    latitude: Annotated[float, Meta(ge=-90, le=90)] | None = None
    longitude: Annotated[float, Meta(ge=-180, le=180)] | None = None
    degraded: tuple[Name, ...] = ()
    next_pass_at: UtcTime | None = None
    cameras: Annotated[tuple[CameraSign, ...], Meta(max_length=MAX_CAMERAS)] = ()
    schema: Literal["uncia.state/1"] = "uncia.state/1"


class DoctorQuestion(Struct, frozen=True):
    """From `uncia-trap doctor`, never retained: does the collector hear this trap? Answered by a receipt of this `id`.

    It is no sign of life, and nothing of it is stored.
    """

    id: SequenceId
    schema: Literal["uncia.doctor/1"] = "uncia.doctor/1"


class BundlePart(Struct, frozen=True, array_like=True):
    """Bytes `start` up to `end` of a bundle's file, and their sha256: who has such bytes need not be sent them."""

    start: Count
    end: Count
    sha256: Sha256


class BundleOffer(Struct, frozen=True):
    """A bundle's file of `size` bytes, whose sha256 is the identity's; `parts` are its members."""

    bundle: BundleIdentity
    size: Annotated[int, Meta(ge=1, le=MAX_FRAME_BYTES)]
    parts: Annotated[tuple[BundlePart, ...], Meta(max_length=16)] = ()


class BundlePiece(Struct, frozen=True):
    """Some bytes of an offered bundle's file, from `start` on (base64 in JSON)."""

    sha256: Sha256
    start: Count
    content: Annotated[bytes, Meta(min_length=1, max_length=MAX_PIECE_BYTES)]


class KeyStatement(Struct, frozen=True):
    """Which keys a trap shall trust from now on: PEM texts of public halves; `serial` counts from 1 on."""

    serial: Annotated[int, Meta(ge=1)]
    active: Annotated[str, Meta(max_length=1000)]
    spare: Annotated[str, Meta(max_length=1000)] = ""
    schema: Literal["uncia.keys/1"] = "uncia.keys/1"


class SignedKeys(Struct, frozen=True):
    """The bytes of a `KeyStatement`, and an Ed25519 signature of them by a key that holds (base64 in JSON)."""

    statement: Annotated[bytes, Meta(max_length=4096)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Command(Struct, frozen=True):
    """A request to a trap, answered on `reply` under the same correlation data.

    `name`: `ping`; `send_frames` (sequence); `set` (key, value; within bounds); `offer_bundle` (offer), answered with
    what is missing of it, then `bundle_piece` (piece) until nothing is; `replace_keys` (keys); `restart`; `try`: the
    next burst is sent as a test, whatever its verdict; `request_certificate`, answered with a request for one (PEM),
    and `install_certificate` (value: the certificate).
    """

    name: Literal[
        "ping",
        "send_frames",
        "set",
        "offer_bundle",
        "bundle_piece",
        "replace_keys",
        "restart",
        "try",
        "request_certificate",
        "install_certificate",
    ]
    sequence: SequenceId | None = None
    key: Name | None = None
    value: float | int | str | None = None
    offer: BundleOffer | None = None
    piece: BundlePiece | None = None
    keys: SignedKeys | None = None
    schema: Literal["uncia.command/1"] = "uncia.command/1"


class Reply(Struct, frozen=True):
    """A trap's answer: whether it did as asked, why not, and the revision of its configuration.

    `missing` are the bytes of an offered bundle that the trap still lacks, in the order in which it takes them.
    """

    ok: bool
    detail: Annotated[str, Meta(max_length=1000)] = ""
    configuration_revision: Count = 0
    missing: tuple[ByteRange, ...] = ()
    schema: Literal["uncia.reply/1"] = "uncia.reply/1"


Message = TypeVar("Message", bound=Struct)

_encoder = msgspec.json.Encoder()
_decoders: dict[type[Struct], msgspec.json.Decoder[Any]] = {
    kind: msgspec.json.Decoder(kind) for kind in (SequenceRecord, Receipt, TrapState, DoctorQuestion, Command, Reply)
}


def encode(message: Struct) -> bytes:
    """The message as compact UTF-8 JSON; equal messages give equal bytes."""
    return _encoder.encode(message)


def decode(payload: bytes, kind: type[Message]) -> Message:
    """The message of that kind in a payload.

    Raises:
        MessageError: too large, not JSON, not UTF-8, a missing field, a wrong type or a value out of bounds.
    """
    if len(payload) > MAX_RECORD_BYTES:
        raise MessageError(f"{kind.__name__}: payload of {len(payload)} bytes, expected at most {MAX_RECORD_BYTES}")
    try:
        message: Message = _decoders[kind].decode(payload)
    except UNDECODABLE as error:
        raise MessageError(f"{kind.__name__}: {error}") from error
    if isinstance(message, SequenceRecord):
        _check_record(message)
    return message


def _check_record(record: SequenceRecord) -> None:
    numbers = [frame.n for frame in record.frames]
    if numbers != list(range(len(numbers))):
        raise MessageError(f"SequenceRecord {record.id}: frames are numbered {numbers[:8]}, expected 0, 1, 2, ...")
    if record.frames_scored > len(numbers):
        raise MessageError(
            f"SequenceRecord {record.id}: {record.frames_scored} frames scored, but it has {len(numbers)}"
        )


def best_frame(record: SequenceRecord) -> int:
    """The frame that is sent first: the one with the highest score, the first of equals."""
    return max(record.frames, key=lambda entry: (-1.0 if entry.score is None else entry.score, -entry.n)).n
