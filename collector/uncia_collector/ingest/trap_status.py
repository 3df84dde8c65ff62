"""What the collector knows of each trap: when it was heard, whether it is there, how it fares.

Decides when a trap counts as seen: a message the broker had retained is not a sign of life. Of its states the latest is
kept.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from uncia_collector.catalogue.schema import traps
from uncia_collector.catalogue.sql import upsert
from uncia_collector.ingest.wire_messages import AvailabilityArrival, StateArrival

CONTACT_GAP_S = 60  # messages closer than this belong to one contact
KEPT_GAPS = 60


@dataclass
class TrapNews:
    """What one batch says about one trap."""

    trap: str
    alive: bool = False
    state: StateArrival | None = None
    availability: str | None = None

    def hear(self, arrival: StateArrival | AvailabilityArrival) -> None:
        """Take one more message in."""
        if isinstance(arrival, StateArrival):
            self.state = arrival
        else:
            self.availability = arrival.availability
        gone = isinstance(arrival, AvailabilityArrival) and arrival.availability == "offline"
        self.alive |= not (arrival.retained or gone)


def write(connection: Connection, news: Iterable[TrapNews], now: datetime) -> None:
    """Write down what a batch said, traps in order of their names (two collectors then never wait crosswise)."""
    ordered = sorted(news, key=lambda item: item.trap)
    known = {row.trap: row for row in connection.execute(_known([item.trap for item in ordered]))}
    for item in ordered:
        row = known.get(item.trap)
        if row is None:
            first = {"trap": item.trap, "first_seen_at": now, "last_seen_at": now, "gaps_s": ""}
            connection.execute(upsert(connection, traps, first, ["trap"]))
        changes = _changes(item, row, now)
        if changes:
            connection.execute(update(traps).where(traps.c.trap == item.trap).values(changes))


def _known(names: list[str]) -> Any:
    columns = (traps.c.trap, traps.c.last_seen_at, traps.c.availability, traps.c.gaps_s, traps.c.sleeps_s)
    return select(*columns).where(traps.c.trap.in_(names))


def _changes(item: TrapNews, row: Any, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if item.alive:
        changes["last_seen_at"] = now
        gap_s = 0.0 if row is None else (now - row.last_seen_at).total_seconds()
        if gap_s >= CONTACT_GAP_S:
            name = "sleeps_s" if row.availability == "sleeping" else "gaps_s"
            changes[name] = ",".join([*getattr(row, name).split(","), f"{gap_s:.0f}"][-KEPT_GAPS:]).strip(",")
    if item.state is not None:
        changes |= {"state": item.state.payload, "state_at": item.state.state.sent_at}
    if item.availability is not None:
        changes |= {"availability": item.availability, "availability_at": now}
    return changes
