"""The MQTT topics of DESIGN 7, built and parsed in one place.

Decides the form of topics, trap ids and sequence ids; `records` decides the content of messages. A topic is built only
from a checked trap id, a checked sequence id and numbers, never from a label or a file name.
"""

import re
from dataclasses import dataclass

from uncia_contract.errors import MessageError

ROOT = "uncia/v1"
MAX_CHUNK_BYTES = 64 * 1024

_TRAP = re.compile(r"[a-z0-9_-]{1,32}")
_SEQUENCE = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ROOT = re.compile(r"[A-Za-z0-9_-]+(/[A-Za-z0-9_-]+)*")


def check_trap_id(trap: str) -> str:
    """Return the id if it matches `[a-z0-9_-]{1,32}`, which is safe in a topic and in a certificate's name.

    Raises:
        MessageError: it does not match.
    """
    if not _TRAP.fullmatch(trap):
        raise MessageError(f"trap id {trap[:40]!r}: expected 1 to 32 of a-z, 0-9, _ and -")
    return trap


def check_sequence_id(sequence: str) -> str:
    """Return the id if it matches `[A-Za-z0-9_-]{1,64}`, which is safe in a topic and as a folder's name.

    Raises:
        MessageError: it does not match.
    """
    if not _SEQUENCE.fullmatch(sequence):
        raise MessageError(f"sequence id {sequence[:70]!r}: expected 1 to 64 letters, digits, _ and -")
    return sequence


@dataclass(frozen=True)
class Topics:
    """The topics of one trap under one root."""

    trap: str
    root: str = ROOT

    def __post_init__(self) -> None:
        check_trap_id(self.trap)
        if not _ROOT.fullmatch(self.root):
            raise MessageError(f"topic root {self.root!r}: expected levels of letters, digits, _ and -, such as {ROOT}")

    @property
    def base(self) -> str:
        """`<root>/<trap>`."""
        return f"{self.root}/{self.trap}"

    @property
    def availability(self) -> str:
        """Whether the trap is `online`, `offline` or `sleeping`; retained, also the last will."""
        return f"{self.base}/availability"

    @property
    def state(self) -> str:
        """The trap's identity and health (`TrapState`); retained."""
        return f"{self.base}/state"

    @property
    def doctor(self) -> str:
        """The doctor's test whether the collector receives messages (`DoctorQuestion`)."""
        return f"{self.base}/doctor"

    @property
    def receipt(self) -> str:
        """Receipts, sent by the collector after its commit."""
        return f"{self.base}/receipt"

    @property
    def command(self) -> str:
        """Commands to the trap."""
        return f"{self.base}/command"

    @property
    def reply(self) -> str:
        """The trap's replies to commands."""
        return f"{self.base}/reply"

    def record(self, sequence: str) -> str:
        """The record of one sequence."""
        return f"{self.base}/sequence/{check_sequence_id(sequence)}"

    def chunk(self, sequence: str, frame: int, offset: int) -> str:
        """A chunk of one frame's JPEG, `frame` and `offset` (bytes) counted from 0."""
        return f"{self.frame(sequence, frame)}/{offset}"

    def frame(self, sequence: str, frame: int) -> str:
        """The topic level above the chunks of one frame."""
        return f"{self.record(sequence)}/frame/{frame}"


@dataclass(frozen=True)
class RecordAddress:
    """The trap and sequence in a record's topic."""

    trap: str
    sequence: str


@dataclass(frozen=True)
class ChunkAddress:
    """The trap, sequence, frame and offset (bytes) in a chunk's topic."""

    trap: str
    sequence: str
    frame: int
    offset: int


@dataclass(frozen=True)
class TrapAddress:
    """The trap and kind in a topic one level below the trap; `kind` is availability, state, doctor or reply."""

    trap: str
    kind: str


def parse(topic: str, root: str = ROOT) -> RecordAddress | ChunkAddress | TrapAddress:
    """The parts of a topic that a trap writes to.

    Raises:
        MessageError: the topic is not below `root`, or is not one that a trap writes to.
    """
    prefix = root + "/"
    if not topic.startswith(prefix):
        raise MessageError(f"topic {topic[:80]!r}: expected it below {prefix}")
    trap, *rest = topic[len(prefix) :].split("/")
    check_trap_id(trap)
    match rest:
        case ["availability" | "state" | "doctor" | "reply" as kind]:
            return TrapAddress(trap, kind)
        case ["sequence", sequence]:
            return RecordAddress(trap, check_sequence_id(sequence))
        case ["sequence", sequence, "frame", frame, offset]:
            return ChunkAddress(trap, check_sequence_id(sequence), _number(frame), _number(offset))
    raise MessageError(f"topic {topic[:80]!r}: not one that a trap writes to")


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= 12):
        raise MessageError(f"topic level {text[:20]!r}: expected a number")
    return int(text)
