"""The JSON messages between trap and collector (DESIGN 7), as frozen structs.

Decides the name, type and bounds of every field. `topics` decides where messages go; outbox and collector decide when.
Unknown fields are ignored, so that an older collector reads messages of a newer trap; missing fields and wrong types
are refused. Times are aware UTC datetimes, sizes are bytes, probabilities are in [0, 1].
"""

from datetime import datetime
from typing import Annotated, Any, Literal, TypeVar

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from uncia_contract.errors import UNDECODABLE, MessageError

# With these bounds, a hostile or broken sender cannot fill a disk with one message.
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


def camera_name(trap: str, camera: str) -> str:
    """The name of a camera in deployments, counts and exports: the trap, or `trap/camera` if that has several."""
    return f"{trap}/{camera}" if camera else trap


def hub_of(name: str) -> str:
    """The trap in such a name: that of `trap/camera`, or the name itself."""
    return name.partition("/")[0]


class BundleIdentity(Struct, frozen=True):
    """Which bundle decided: its name, version and the sha256 of the whole file."""

    name: Name
    version: Annotated[int, Meta(ge=1)]
    sha256: Sha256


class ClockTrust(Struct, frozen=True):
    """How far a time can be trusted, and the values by which it can be corrected later.

    `source` says where the frames' times come from: the trap's own clock, the camera's EXIF, or neither
    (`none`: times are those of arrival). `boottime_s` is CLOCK_BOOTTIME, in seconds since the boot `boot_id`,
    read when the record was made.
    """

    synchronised: bool
    boot_id: Name
    boottime_s: Annotated[float, Meta(ge=0.0)]
    source: Literal["trap", "exif", "none"] = "trap"


class FrameEntry(Struct, frozen=True):
    """One frame of a sequence: its identity, its score, and the part of it that was scored.

    `score` is None after an early exit or where the frame could not be decoded. `region` is (left, top, width, height)
    in fractions of the oriented frame, None where the whole frame was scored; `why` is the reason in one word of
    `regions.RegionChoice`, empty where the trap did not give it.
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
    """A thumbnail of frame `n`: an oriented JPEG of `width` by `height` pixels (base64 in JSON)."""

    n: Count
    width: Annotated[int, Meta(ge=1, le=4096)]
    height: Annotated[int, Meta(ge=1, le=4096)]
    jpeg: Annotated[bytes, Meta(max_length=MAX_PREVIEW_BYTES)]


class SequenceRecord(Struct, frozen=True):
    """The record of one sequence, published before its frames.

    `confidence` is the number that decided: the mean of the frames' probabilities. After an early exit it is an upper
    bound of that mean, below the threshold, and `upper_bound` is True.
    `label` is the likeliest positive label. Where the bundle has several, `probabilities` holds the mean of each over
    the scored frames, and their sum decided; where it has one, the field is left out.
    `audit` marks a negative sequence that was sent to estimate the miss rate. `event` is the same for all sequences
    into which one long burst was cut. `preview` shows the best frame until its original has arrived; it is left out
    where the link is too slow for it. `test` marks a test sighting, which a user requested and which is sent whatever
    its verdict. `camera` names the camera of a trap that has several.
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
    """The bytes of one frame that the collector still needs; no ranges means all of them."""

    n: Count
    ranges: tuple[ByteRange, ...] = ()


class Receipt(Struct, frozen=True):
    """Sent by the collector after its commit: which parts of one sequence it has stored.

    Only `record_stored` with an empty `missing` means *delivered*. `refused` says why the collector will never accept
    the sequence (a conflicting hash, a broken record); the trap then parks it.
    """

    sequence: SequenceId
    record_stored: bool
    frames_stored: tuple[Count, ...] = ()
    missing: tuple[MissingFrame, ...] = ()
    refused: Annotated[str, Meta(max_length=300)] | None = None
    schema: Literal["uncia.receipt/1"] = "uncia.receipt/1"

    @property
    def complete(self) -> bool:
        """Whether the collector has stored the record and all frames."""
        return self.record_stored and not self.missing and self.refused is None


class Counters(Struct, frozen=True):
    """Totals since the trap was installed; a restart does not reset them."""

    frames: Count = 0
    bursts: Count = 0
    positives: Count = 0
    failures: Count = 0
    drops: Count = 0
    parked: Count = 0
    bytes_sent: Count = 0
    vetoed: Count = 0


class CameraSign(Struct, frozen=True):
    """A camera of a trap with several: when it was last seen, by the trap's clock, and the number of its bursts."""

    camera: CameraId
    seen_at: UtcTime
    bursts: Count = 0


class TrapState(Struct, frozen=True, omit_defaults=True):
    """The identity and health of a trap, a retained message.

    `temperature_c` is in degrees Celsius, `battery_v` in volts, where the machine measures them. `outbox_age_s` is the
    age of the oldest undelivered sequence. `next_pass_at` is the next pass of a trap that is powered for minutes, by
    the same clock as `sent_at`.
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
    """Sent by `uncia-trap doctor` to test whether the collector receives messages; it answers with a receipt of `id`.

    It is never retained or stored, and does not count as a sign of life.
    """

    id: SequenceId
    schema: Literal["uncia.doctor/1"] = "uncia.doctor/1"


class BundlePart(Struct, frozen=True, array_like=True):
    """Bytes `start` up to `end` of a bundle's file, and their sha256; a trap that has these bytes need not get them."""

    start: Count
    end: Count
    sha256: Sha256


class BundleOffer(Struct, frozen=True):
    """The offer of a bundle: its identity, the size of its file in bytes, and its members (`parts`)."""

    bundle: BundleIdentity
    size: Annotated[int, Meta(ge=1, le=MAX_FRAME_BYTES)]
    parts: Annotated[tuple[BundlePart, ...], Meta(max_length=16)] = ()


class BundlePiece(Struct, frozen=True):
    """Some bytes of an offered bundle's file, from `start` on (base64 in JSON)."""

    sha256: Sha256
    start: Count
    content: Annotated[bytes, Meta(min_length=1, max_length=MAX_PIECE_BYTES)]


class KeyStatement(Struct, frozen=True):
    """The public keys (PEM) that a trap must trust from now on; `serial` counts the statements from 1."""

    serial: Annotated[int, Meta(ge=1)]
    active: Annotated[str, Meta(max_length=1000)]
    spare: Annotated[str, Meta(max_length=1000)] = ""
    schema: Literal["uncia.keys/1"] = "uncia.keys/1"


class SignedKeys(Struct, frozen=True):
    """The bytes of a `KeyStatement`, and their Ed25519 signature by a key that is still trusted (base64 in JSON)."""

    statement: Annotated[bytes, Meta(max_length=4096)]
    signature: Annotated[bytes, Meta(min_length=64, max_length=64)]


class Command(Struct, frozen=True):
    """A request to a trap, answered on `reply` under the same correlation data.

    `name`: `ping`; `send_frames` (sequence); `set` (key, value; within bounds); `offer_bundle` (offer), answered with
    the bytes that are missing, then `bundle_piece` (piece) until none are missing; `replace_keys` (keys); `restart`;
    `try`: the next burst is sent as a test sighting, whatever its verdict; `request_certificate`, answered with a
    certificate signing request (PEM), and `install_certificate` (value: the certificate).
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
    """A trap's answer: whether it obeyed, why not, and the revision of its configuration.

    `missing` are the bytes of an offered bundle that the trap still needs, in the order in which it accepts them.
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
    """The message in a payload, decoded as that kind.

    Raises:
        MessageError: the payload is too large or not JSON in UTF-8; a field is missing, or has a wrong type or value.
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
    """The number of the frame that is sent first: the one with the highest score, the first of equal ones."""
    return max(record.frames, key=lambda entry: (-1.0 if entry.score is None else entry.score, -entry.n)).n
