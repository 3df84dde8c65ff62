"""Finds the sequences that make the broker end the connection (poison messages).

Decides when a sequence gets a strike. A broker that cannot handle a message closes the connection, and would get the
same message first after each reconnect. A bad link also ends connections, and must not give strikes. So:

#1  Sequences that were in flight when a connection ended are suspects; from then on they are sent last and alone.
#2  A suspect that arrives is cleared.
#3  If only a suspect was in flight when the connection ended again, it gets a strike, provided that another sequence
    arrived since its last strike (so the link works). Whoever was alone in flight gets one also if the broker named a
    bad packet as the reason.
"""

from collections.abc import Set

# Malformed packet, protocol error, packet too large, payload format invalid.
PACKET_AT_FAULT = frozenset({0x81, 0x82, 0x95, 0x99})


class PoisonDetector:
    """Keeps the suspects among the sequences that are sent. `suspects` is read-only for others."""

    def __init__(self) -> None:
        self.suspects: set[str] = set()
        self._arrivals = 0
        self._arrivals_at_strike: dict[str, int] = {}

    def arrived(self, sequence: str) -> None:
        """Note that the broker acknowledged a piece of a sequence (#2). Not needed while there are no suspects."""
        if sequence in self.suspects:
            self.forget(sequence)
        else:
            self._arrivals += 1

    def forget(self, sequence: str) -> None:
        """Remove a sequence that is delivered, parked or cleared."""
        self.suspects.discard(sequence)
        self._arrivals_at_strike.pop(sequence, None)

    def cut(self, under_way: Set[str], code: int | None) -> str | None:
        """Note that the connection ended with these in flight (#1); return the one that gets a strike (#3) or None."""
        struck = None
        if len(under_way) == 1:
            (alone,) = under_way
            others_arrived = self._arrivals > self._arrivals_at_strike.get(alone, -1)
            if code in PACKET_AT_FAULT or (alone in self.suspects and others_arrived):
                self._arrivals_at_strike[alone] = self._arrivals
                struck = alone
        self.suspects |= under_way
        return struck
