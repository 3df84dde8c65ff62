"""The state of the link: whether it is connected, when to connect again, and how much may be sent at once.

Pure: no IO and no thread; the time is an argument (`now_s`, monotonic seconds).

    offline --its wait is over--> connecting --connected--> connected
       ^                              |                         |
       +------- disconnected ---------+------ disconnected -----+
    connected: if the broker answers that it is in trouble, sequences pause, longer each time.

The amount that may be in flight and the size of a chunk follow the measured goodput. A chunk takes at most a quarter
of the keepalive, because one that takes longer than two keepalives never arrives (measured: 200 KB at 20 KB/s with a
keepalive of 4 s was sent five times in 32 s and never acknowledged; in chunks it took 10 s).
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass, field

from uncia_contract.messages.records import SequenceRecord
from uncia_contract.messages.topics import MAX_CHUNK_BYTES

MIN_CHUNK_BYTES = 1024
FIRST_CHUNK_BYTES = 16 * 1024
# Topic, properties and headers of a message, rounded up.
OVERHEAD_BYTES = 512


@dataclass(frozen=True)
class Limits:
    """The most `items` and `bytes` that may be in flight: not yet acknowledged by the broker."""

    items: int = 16
    bytes: int = 256 * 1024


@dataclass(frozen=True)
class Pace:
    """Delivery's timeouts in seconds, and how many sequences are sent at once.

    At most `asking` records wait for their first receipt, and the frames of at most `sending` sequences are sent.
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
    """The part of a sequence in one message: its record (`frame` is None) or bytes `start` to `end` of a frame."""

    record: SequenceRecord
    frame: int | None = None
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class InFlight:
    """A published message that is not acknowledged yet. `piece` is None for states and replies."""

    piece: Piece | None
    size: int
    sent_s: float


@dataclass(frozen=True)
class Room:
    """What may be published now: at most `items` messages, until their sizes reach `bytes`.

    `chunk_bytes` is the size of the next chunk, `payload_bytes` the largest payload that the broker accepts.
    `oldest_s` is when the oldest message in flight was sent; None if nothing is in flight.
    """

    items: int
    bytes: int
    chunk_bytes: int
    payload_bytes: int
    oldest_s: float | None


class Window:
    """Keeps the messages in flight, measures goodput, and limits what is sent."""

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
        """Start a new connection with the broker's limits; nothing is in flight."""
        self._items = max(1, min(self._limits.items, receive_maximum))
        self._payload_bytes, self._keepalive_s = max_packet_bytes - OVERHEAD_BYTES, max(1, keepalive_s)
        self._in_flight.clear()
        self._bytes = 0

    @property
    def goodput(self) -> float | None:
        """Acknowledged bytes a second while something was in flight; None before the first measurement."""
        return self._acked_bytes / self._busy_s if self._busy_s > 0 else None

    def room(self) -> Room:
        """What may be published now; if nothing is in flight, at least one message."""
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
        """Add published messages, by packet id."""
        self._in_flight.update(messages)
        self._bytes += sum([message.size for message in messages.values()])

    def acknowledged(self, mid: int, now_s: float) -> InFlight | None:
        """Remove an acknowledged message and update goodput; return it, None for an unknown id."""
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
        """Empty the window after a disconnect: return the pieces in flight, latest first, and halve the chunk size."""
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
    """Waits between attempts: `first_s`, doubled with each failure up to `most_s`, half of it random.

    The random part keeps many traps from connecting in the same second when the base station's power returns.
    """

    def __init__(self, first_s: float = 1.0, most_s: float = 120.0) -> None:
        self._first_s, self._most_s = first_s, most_s
        self._failures = 0

    def wait_s(self) -> float:
        """Count a failure; return how many seconds to wait before the next attempt."""
        ceiling: float = min(self._most_s, self._first_s * 2.0 ** min(self._failures, 30))
        self._failures += 1
        return ceiling / 2 + random.random() * ceiling / 2

    def reset(self) -> None:
        """Start with short waits again, after a success."""
        self._failures = 0


class LinkState:
    """Whether there is a link, when to connect next, and until when sequences pause. Fields are read-only."""

    def __init__(self, pace: Pace, now_s: float) -> None:
        self.is_connected = False
        self.connect_at_s: float | None = now_s  # None while connecting or connected
        self.paused_until_s = 0.0
        self._offline_since_s = now_s
        self._reconnect = BackOff(pace.retry_first_s, pace.retry_most_s)
        self._trouble = BackOff(pace.retry_first_s, pace.retry_most_s)

    def begin_to_connect(self, now_s: float) -> bool:
        """Return whether to connect now; if so, the state is connecting."""
        if self.is_connected or self.connect_at_s is None or now_s < self.connect_at_s:
            return False
        self.connect_at_s = None
        return True

    def connected(self, now_s: float) -> float:
        """Note the connection; return for how many seconds there was none."""
        self.is_connected, self.paused_until_s = True, 0.0
        return now_s - self._offline_since_s

    def disconnected(self, now_s: float) -> float:
        """Note the end of the connection; return how many seconds to wait for the next attempt."""
        if self.is_connected:
            self._offline_since_s = now_s
        self.is_connected = False
        wait_s = self._reconnect.wait_s()
        self.connect_at_s = now_s + wait_s
        return wait_s

    def troubled(self, now_s: float) -> float | None:
        """Start a pause and return its seconds; None during a pause: several such answers make only one."""
        if now_s < self.paused_until_s:
            return None
        wait_s = self._trouble.wait_s()
        self.paused_until_s = now_s + wait_s
        return wait_s

    def working(self) -> None:
        """Make the next waits short again, because the broker accepted a message."""
        self._reconnect.reset()
        self._trouble.reset()
