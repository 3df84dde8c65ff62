"""Updates each trap's row: when it was last seen, whether it is online, its latest state, whether its id is used twice.

A message that the broker had retained does not show that the trap is alive. Only the latest state is kept. Two machines
use one id when an earlier boot sends again after a later one; a repeated message does not count, because its uptime is
not higher.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select, update

from uncia_collector.catalogue.schema import traps
from uncia_collector.catalogue.sql import upsert
from uncia_collector.effort import hours
from uncia_collector.effort.camera_signs import note_signs
from uncia_collector.ingest.wire_messages import AvailabilityMessage, StateMessage
from uncia_contract.messages.records import TrapState, decode

CONTACT_GAP_S = 60  # messages closer than this belong to one contact
KEPT_GAPS = 60
KEPT_BOOTS = 8


@dataclass
class TrapUpdate:
    """The news of one trap in one batch of messages."""

    trap: str
    alive: bool = False
    state: StateMessage | None = None
    availability: str | None = None

    def add(self, message: StateMessage | AvailabilityMessage) -> None:
        """Add one more message."""
        if isinstance(message, StateMessage):
            self.state = message
        else:
            self.availability = message.availability
        gone = isinstance(message, AvailabilityMessage) and message.availability == "offline"
        self.alive |= not (message.retained or gone)


def write(connection: Connection, updates: Iterable[TrapUpdate], now: datetime) -> None:
    """Write a batch's updates, in the order of the traps' names, so that two collectors cannot deadlock."""
    ordered = sorted(updates, key=lambda new: new.trap)
    known = {row.trap: row for row in connection.execute(_known([new.trap for new in ordered]))}
    for new in ordered:
        row = known.get(new.trap)
        if row is None:
            first = {"trap": new.trap, "first_seen_at": now, "last_seen_at": now, "gaps_s": ""}
            connection.execute(upsert(connection, traps, first, ["trap"]))
        _note_health(connection, new, row, now)
        changes = _changes(new, row, now)
        if changes:
            connection.execute(update(traps).where(traps.c.trap == new.trap).values(changes))


def _known(names: list[str]) -> Any:
    columns = (traps.c[name] for name in ("trap", "last_seen_at", "availability", "gaps_s", "sleeps_s", "boots"))
    return select(*columns).where(traps.c.trap.in_(names))


def _note_health(connection: Connection, new: TrapUpdate, row: Any, now: datetime) -> None:
    if not new.alive:
        return
    if row is not None and row.availability == "sleeping":
        told = connection.execute(select(traps.c.state).where(traps.c.trap == new.trap)).scalar()
        before = None if told is None else decode(told, TrapState)
        hours.note_slept(connection, new.trap, row.last_seen_at, now, before)
    state = None if new.state is None or new.state.retained else new.state.state
    hours.note_heard(connection, new.trap, now, new.availability == "sleeping", state)
    if state is not None and state.cameras:
        note_signs(connection, new.trap, state, now)


def _changes(new: TrapUpdate, row: Any, now: datetime) -> dict[str, Any]:
    changes: dict[str, Any] = {}
    if new.alive:
        changes["last_seen_at"] = now
        gap_s = 0.0 if row is None else (now - row.last_seen_at).total_seconds()
        if gap_s >= CONTACT_GAP_S:
            name = "sleeps_s" if row.availability == "sleeping" else "gaps_s"
            changes[name] = ",".join([*getattr(row, name).split(","), f"{gap_s:.0f}"][-KEPT_GAPS:]).strip(",")
    if new.state is not None:
        changes |= {"state": new.state.payload, "state_at": new.state.state.sent_at}
        changes |= _boots("" if row is None else row.boots, new.state.state, now)
    if new.availability is not None:
        changes |= {"availability": new.availability, "availability_at": now}
    return changes


def _boots(known: str, state: TrapState, now: datetime) -> dict[str, Any]:
    """The columns `boots` with this state's boot added, and `doubled_at` if an earlier boot than the last one sends."""
    uptimes = {boot: float(uptime) for boot, _, uptime in (part.partition("=") for part in known.split(",")) if boot}
    boot = state.boot_id[:40].replace(",", "").replace("=", "")
    if boot in ("", "unknown") or state.uptime_s <= uptimes.get(boot, -1.0):
        return {}
    doubled = boot in uptimes and boot != [*uptimes][-1]
    uptimes.pop(boot, None)
    latest = [*uptimes.items(), (boot, state.uptime_s)][-KEPT_BOOTS:]
    return {"boots": ",".join(f"{name}={uptime:.1f}" for name, uptime in latest)} | (
        {"doubled_at": now} if doubled else {}
    )
