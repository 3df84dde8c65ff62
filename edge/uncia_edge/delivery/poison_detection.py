"""Who is to blame when the connection ends: the link, or what was just being sent?

Decides when a sequence earns a strike. A broker answers a message that it cannot bear by hanging up, and would be sent
the same message first for ever. A bad link hangs up as well, and must never cost a sequence its place. So:

#1  What was under way when a connection ended is suspect, and from then on sent last and alone.
#2  A suspect that arrives is cleared.
#3  A suspect that was alone under way when the connection ended again is struck if, since its last strike, something
    else arrived (so the link works), or if the broker named a packet of ours as the reason.
"""

from collections.abc import Set

# Malformed packet, protocol error, packet too large, payload format invalid.
PACKET_AT_FAULT = frozenset({0x81, 0x82, 0x95, 0x99})


class PoisonDetector:
    """Suspects among the sequences under way. `suspects` is for others to read."""

    def __init__(self) -> None:
        self.suspects: set[str] = set()
        self._arrivals = 0
        self._arrivals_at_strike: dict[str, int] = {}

    def arrived(self, sequence: str) -> None:
        """The broker took a piece of a sequence (#2). Need not be told while there are no suspects."""
        if sequence in self.suspects:
            self.forget(sequence)
        else:
            self._arrivals += 1

    def forget(self, sequence: str) -> None:
        """It is delivered, parked, or cleared."""
        self.suspects.discard(sequence)
        self._arrivals_at_strike.pop(sequence, None)

    def cut(self, under_way: Set[str], code: int | None) -> str | None:
        """The connection ended with these under way (#1); the one that earns a strike (#3), if any."""
        struck = None
        if len(under_way) == 1:
            (alone,) = under_way
            others_arrived = self._arrivals > self._arrivals_at_strike.get(alone, -1)
            if code in PACKET_AT_FAULT or (alone in self.suspects and others_arrived):
                self._arrivals_at_strike[alone] = self._arrivals
                struck = alone
        self.suspects |= under_way
        return struck
