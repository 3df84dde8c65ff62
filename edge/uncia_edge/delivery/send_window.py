"""How much may be under way at once, and how large a chunk should be: both follow the measured goodput.

Decides limits only. A chunk takes at most a quarter of the keepalive, because one that takes longer than two
keepalives never arrives (measured: 200 KB at 20 KB/s with a keepalive of 4 s was sent five times in 32 s and never
acknowledged; in chunks it needed 10 s).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from uncia_contract.messages.records import SequenceRecord
from uncia_contract.messages.topics import MAX_CHUNK_BYTES

MIN_CHUNK_BYTES = 1024
FIRST_CHUNK_BYTES = 16 * 1024
# Topic, properties and headers around a chunk, rounded up.
OVERHEAD_BYTES = 512


@dataclass(frozen=True)
class Limits:
    """Bounds of one window: `items` and `bytes` not yet acknowledged by the broker."""

    items: int = 16
    bytes: int = 256 * 1024


@dataclass(frozen=True)
class Pace:
    """Delivery's timeouts, in seconds, and how many sequences are sent at once.

    `asking` bounds the records whose receipt is awaited, `sending` the sequences whose frames flow.
    """

    limits: Limits = field(default_factory=Limits)
    asking: int = 32
    sending: int = 4
    receipt_timeout_s: float = 20.0
    receipt_patience_s: float = 3600.0
    puback_timeout_s: float = 240.0
    retry_first_s: float = 1.0
    retry_most_s: float = 120.0
    historical_after_s: float = 60.0
    release_parked_s: float = 6 * 3600.0
    strikes: int = 5


@dataclass(frozen=True, eq=False)
class Piece:
    """What one publish carries of a sequence: its record (`frame` is None) or the bytes `start` to `end` of a frame."""

    record: SequenceRecord
    frame: int | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class InFlight:
    """A message that was published and not yet acknowledged. `piece` is None for state and replies."""

    piece: Piece | None
    size: int
    sent_s: float


@dataclass(frozen=True)
class Room:
    """What may be published now: so many messages, until their sizes reach `bytes`.

    `chunk_bytes` is the size of the next chunk, `payload_bytes` the largest payload that the broker takes, `oldest_s`
    when the oldest message under way was sent (None where nothing is under way).
    """

    items: int
    bytes: int
    chunk_bytes: int
    payload_bytes: int
    oldest_s: float | None


class Window:
    """What was published and not yet acknowledged."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items, self._keepalive_s = limits.items, 60
        self._payload_bytes = MAX_CHUNK_BYTES
        self._in_flight: dict[int, InFlight] = {}
        self._bytes = 0
        self._ceiling = FIRST_CHUNK_BYTES
        self._busy_s, self._acked_bytes = 0.0, 0.0
        self._last_s = 0.0

    def connected(self, receive_maximum: int, max_packet_bytes: int, keepalive_s: int) -> None:
        """A new connection with the broker's limits; nothing is under way."""
        self._items = max(1, min(self._limits.items, receive_maximum))
        self._payload_bytes, self._keepalive_s = max_packet_bytes - OVERHEAD_BYTES, max(1, keepalive_s)
        self._in_flight.clear()
        self._bytes = 0

    @property
    def goodput(self) -> float | None:
        """Acknowledged bytes a second while something was under way; None before the first measurement."""
        return self._acked_bytes / self._busy_s if self._busy_s > 0 else None

    def room(self) -> Room:
        """What may be published now: one message always goes where nothing is under way."""
        goodput, chunk_bytes = self.goodput, self._chunk_bytes()
        most = min(self._limits.bytes, max(3 * chunk_bytes, int((goodput or 0.0) * 10)))
        return Room(
            items=max(0, self._items - len(self._in_flight)),
            bytes=max(0, most - self._bytes) if self._in_flight else most,
            chunk_bytes=chunk_bytes,
            payload_bytes=self._payload_bytes,
            oldest_s=next(iter(self._in_flight.values())).sent_s if self._in_flight else None,
        )

    def sent(self, messages: Mapping[int, InFlight]) -> None:
        """Note what went out, by packet id."""
        self._in_flight.update(messages)
        self._bytes += sum([message.size for message in messages.values()])

    def acknowledged(self, mid: int, now_s: float) -> InFlight | None:
        """Take out what the broker acknowledged, and learn from its time; None for an unknown id."""
        message = self._in_flight.pop(mid, None)
        if message is None:
            return None
        self._bytes -= message.size
        self._busy_s = 0.9 * self._busy_s + max(1e-6, now_s - max(self._last_s, message.sent_s))
        self._acked_bytes = 0.9 * self._acked_bytes + message.size
        self._last_s = now_s
        self._ceiling = min(MAX_CHUNK_BYTES, self._ceiling + self._ceiling // 4)
        return message

    def broken(self) -> list[Piece]:
        """The connection is gone: what was under way is uncertain, the latest first. Smaller chunks from now on."""
        pieces = [message.piece for message in self._in_flight.values() if message.piece is not None]
        if pieces:
            self._ceiling = max(MIN_CHUNK_BYTES, self._ceiling // 2)
        self._in_flight.clear()
        self._bytes = 0
        return pieces[::-1]

    def _chunk_bytes(self) -> int:
        wanted = min(self._ceiling, MAX_CHUNK_BYTES, self._payload_bytes)
        if self.goodput is not None:
            wanted = min(wanted, int(self.goodput * self._keepalive_s / 4))
        return max(1, min(self._payload_bytes, max(wanted, MIN_CHUNK_BYTES)))
