"""The link as it is now: whether there is one, when to connect again, and how much it bears.

Pure: no IO, no thread, and no clock but the `now_s` it is handed.

    offline --its wait is over--> connecting --connected--> connected
       ^                              |                         |
       +------- disconnected ---------+------ disconnected -----+
    connected: an answer of a broker in trouble pauses sequences for a growing while.

How much may be under way at once, and how large a chunk is, follow the measured goodput. A chunk takes at most a
quarter of the keepalive, because one that takes longer than two keepalives never arrives (measured: 200 KB at 20 KB/s
with a keepalive of 4 s was sent five times in 32 s and never acknowledged; in chunks it needed 10 s).
"""

import random
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


class BackOff:
    """Growing, jittered waits between attempts: full jitter over `first_s`, doubled up to `most_s`.

    Jitter keeps a valley of traps from knocking at the same second when the base station's power returns.
    """

    def __init__(self, first_s: float = 1.0, most_s: float = 120.0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._failures = 0

    def wait_s(self) -> float:
        """How long to wait before the next attempt; counts a failure."""
        ceiling: float = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return ceiling / 2 + random.random() * ceiling / 2

    def reset(self) -> None:
        """It worked."""
        self._failures = 0


class LinkState:
    """Whether there is a link, when to connect next, and when to leave the broker alone. Fields are for reading."""

    def __init__(self, pace: Pace, now_s: float) -> None:
        self.is_connected = False
        self.connect_at_s: float | None = now_s  # None while connecting or connected
        self.paused_until_s = 0.0
        self._offline_since_s = now_s
        self._reconnect = BackOff(pace.retry_first_s, pace.retry_most_s)
        self._trouble = BackOff(pace.retry_first_s, pace.retry_most_s)

    def begin_to_connect(self, now_s: float) -> bool:
        """Whether to connect now; the attempt has begun then."""
        if self.is_connected or self.connect_at_s is None or now_s < self.connect_at_s:
            return False
        self.connect_at_s = None
        return True

    def connected(self, now_s: float) -> float:
        """How long there was no link, in seconds."""
        self.is_connected, self.paused_until_s = True, 0.0
        return now_s - self._offline_since_s

    def disconnected(self, now_s: float) -> float:
        """How long to wait for the next attempt, in seconds."""
        if self.is_connected:
            self._offline_since_s = now_s
        self.is_connected = False
        wait_s = self._reconnect.wait_s()
        self.connect_at_s = now_s + wait_s
        return wait_s

    def troubled(self, now_s: float) -> float | None:
        """The pause that begins now, in seconds; None during one: however many messages were answered so, it is one."""
        if now_s < self.paused_until_s:
            return None
        wait_s = self._trouble.wait_s()
        self.paused_until_s = now_s + wait_s
        return wait_s

    def working(self) -> None:
        """The broker took a message: the next waits are short again."""
        self._reconnect.reset()
        self._trouble.reset()
