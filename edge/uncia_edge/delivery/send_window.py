"""How much may be under way at once, and how large a chunk should be: both follow the measured goodput.

Decides limits only. A chunk takes at most a quarter of the keepalive, because one that takes longer than two
keepalives never arrives (measured: 200 KB at 20 KB/s with a keepalive of 4 s was sent five times in 32 s and never
acknowledged; in chunks it needed 10 s).
"""

from dataclasses import dataclass

from uncia_contract.messages.topics import MAX_CHUNK_BYTES
from uncia_edge.delivery.transfer import Piece

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
class _Flying:
    piece: Piece | None
    size: int
    sent_s: float


class Window:
    """What was published and not yet acknowledged. `piece` is None for state and replies."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._items, self._keepalive_s = limits.items, 60
        self._packet_bytes = MAX_CHUNK_BYTES + OVERHEAD_BYTES
        self._flying: dict[int, _Flying] = {}
        self._bytes = 0
        self._ceiling = FIRST_CHUNK_BYTES
        self._busy_s, self._acked_bytes = 0.0, 0.0
        self._last_s = 0.0

    def connected(self, receive_maximum: int, max_packet_bytes: int, keepalive_s: int) -> None:
        """A new connection with the broker's limits; nothing is under way."""
        self._items = max(1, min(self._limits.items, receive_maximum))
        self._packet_bytes, self._keepalive_s = max_packet_bytes, max(1, keepalive_s)
        self._flying.clear()
        self._bytes = 0

    @property
    def goodput(self) -> float | None:
        """Acknowledged bytes a second while something was under way; None before the first measurement."""
        return self._acked_bytes / self._busy_s if self._busy_s > 0 else None

    @property
    def chunk_bytes(self) -> int:
        """The size of the next chunk."""
        wanted = min(self._ceiling, MAX_CHUNK_BYTES, self._packet_bytes - OVERHEAD_BYTES)
        if self.goodput is not None:
            wanted = min(wanted, int(self.goodput * self._keepalive_s / 4))
        return max(1, min(self._packet_bytes - OVERHEAD_BYTES, max(wanted, MIN_CHUNK_BYTES)))

    def fits(self, size: int) -> bool:
        """Whether the broker would take a message of `size` bytes at all."""
        return size + OVERHEAD_BYTES <= self._packet_bytes

    def has_room(self) -> bool:
        """Whether another piece may be sent now."""
        if not self._flying:
            return True
        most = min(self._limits.bytes, max(3 * self.chunk_bytes, int((self.goodput or 0.0) * 10)))
        return len(self._flying) < self._items and self._bytes < most

    @property
    def empty(self) -> bool:
        """Whether nothing is under way."""
        return not self._flying

    def stuck(self, now_s: float, timeout_s: float) -> bool:
        """Whether a PUBACK is so late that the connection cannot be sound."""
        return any(now_s - flying.sent_s > timeout_s for flying in self._flying.values())

    def sent(self, mid: int, piece: Piece | None, size: int, now_s: float) -> None:
        """Note what went out under packet id `mid`."""
        self._flying[mid] = _Flying(piece, size, now_s)
        self._bytes += size

    def acknowledged(self, mid: int, now_s: float) -> tuple[Piece | None, int] | None:
        """Take out what the broker acknowledged, and learn from its time; None for an unknown id."""
        flying = self._flying.pop(mid, None)
        if flying is None:
            return None
        self._bytes -= flying.size
        self._busy_s = 0.9 * self._busy_s + max(1e-6, now_s - max(self._last_s, flying.sent_s))
        self._acked_bytes = 0.9 * self._acked_bytes + flying.size
        self._last_s = now_s
        self._ceiling = min(MAX_CHUNK_BYTES, self._ceiling + self._ceiling // 4)
        return flying.piece, flying.size

    def broken(self) -> list[Piece]:
        """The connection is gone: what was under way is uncertain, the latest first. Smaller chunks from now on."""
        pieces = [flying.piece for flying in self._flying.values() if flying.piece is not None]
        if pieces:
            self._ceiling = max(MIN_CHUNK_BYTES, self._ceiling // 2)
        self._flying.clear()
        self._bytes = 0
        return pieces[::-1]
