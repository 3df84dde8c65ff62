"""Keeps each trap's health by the hour, for two years.

Decides what an hour of a trap was; times are those of the station's clock:
#1 `awake`: heard, and it looked. #2 `blind`: heard, but it had no camera. #3 `ran`: not heard, but what came later
shows that it was on: the machine's uptime, or a sequence of that hour told by a right clock. #4 `asleep`: it had
announced to sleep, for a day at most, or until the next pass that it told. Of several the first of these counts.
#5 An hour of the trap "" says that the station listened: an hour without it, and with nothing else, is unknown. Nothing
is written of hours before the first of these.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, delete, func, select

from uncia_collector.catalogue.schema import health, health_days
from uncia_collector.catalogue.sql import upsert
from uncia_contract.messages.records import TrapState

HOUR = timedelta(hours=1)
KEPT = timedelta(days=731)
LONGEST_SLEEP = timedelta(days=1)
STATION = ""
MOST_COUNTED = 2**31 - 1  # whatever a trap may say of itself
LETTERS = {"awake": "a", "blind": "b", "ran": "r", "asleep": "s"}
KINDS = tuple(LETTERS)
UNKNOWN = "."
BLIND = "no camera"  # how a trap begins to say so, among what of it is degraded


def note_heard(connection: Connection, trap: str, now: datetime, asleep: bool, state: TrapState | None) -> None:
    """The trap was heard: `asleep` says that it announced to sleep now, `state` what it told of itself."""
    kind = "asleep" if asleep else "awake"
    if state is not None and any(problem.startswith(BLIND) for problem in state.degraded):
        kind = "blind"
    told = {} if state is None else {"battery_v": state.battery_v, "temperature_c": state.temperature_c}
    told |= {} if state is None else {"outbox_sequences": min(state.outbox_sequences, MOST_COUNTED)}
    hour = hour_of(now)
    known = connection.execute(select(health.c.kind).where(health.c.trap == trap, health.c.hour == hour)).scalar()
    best = kind if known is None else min(kind, known, key=KINDS.index)
    if known is None:
        _forget(connection, trap, hour - KEPT)
    if known != best or told:
        row = {"trap": trap, "hour": hour, "kind": best} | told
        connection.execute(upsert(connection, health, row, ["trap", "hour"], ["kind", *told]))
    if known != best:
        _keep_days(connection, trap, hour, hour)
    if state is not None:
        _fill(connection, trap, now - timedelta(seconds=min(state.uptime_s, KEPT.total_seconds())), now, "ran")


def note_slept(connection: Connection, trap: str, since: datetime, now: datetime, state: TrapState | None) -> None:
    """The trap, which had announced to sleep, was heard again; `state` is what it had told of itself before."""
    planned = LONGEST_SLEEP
    if state is not None and state.next_pass_at is not None:
        planned = max(planned, state.next_pass_at - state.sent_at + HOUR)  # it may be a little late
    _fill(connection, trap, since, min(now, since + min(planned, KEPT)), "asleep")


def note_worked(connection: Connection, moments: Iterable[tuple[str, datetime]], now: datetime) -> None:
    """Sequences of these traps began then, by clocks that were right."""
    first = history_began(connection)
    if first is None:
        return
    for trap, hour in sorted({(trap, hour_of(moment)) for trap, moment in moments}):
        if first <= hour < hour_of(now):
            _keep(connection, trap, [hour], "ran")


def note_listening(connection: Connection, now: datetime) -> None:
    """The station listens (#5)."""
    hour = hour_of(now)
    _keep(connection, STATION, [hour], "awake")
    _forget(connection, STATION, hour - KEPT)


def history_began(connection: Connection) -> datetime | None:
    """The first hour in which the station listened."""
    began: datetime | None = connection.execute(
        select(func.min(health.c.hour)).where(health.c.trap == STATION)
    ).scalar()
    return began


def hour_of(moment: datetime) -> datetime:
    """The hour in which a moment lies, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _fill(connection: Connection, trap: str, since: datetime, until: datetime, kind: str) -> None:
    """The whole hours between, after the last that is known of the trap."""
    first = history_began(connection)
    if first is None:
        return
    earlier = select(func.max(health.c.hour)).where(health.c.trap == trap, health.c.hour < hour_of(until))
    last = connection.execute(earlier).scalar()
    start = max(first, hour_of(since) + HOUR, *([last + HOUR] if last else []))
    count = max(0, (hour_of(until) - start) // HOUR)
    for at in range(0, count, 1000):
        _keep(connection, trap, [start + n * HOUR for n in range(at, min(at + 1000, count))], kind)


def _keep(connection: Connection, trap: str, hours: list[datetime], kind: str) -> None:
    """Write these hours, which come in order, where nothing is known of them."""
    rows = [{"trap": trap, "hour": hour, "kind": kind} for hour in hours]
    connection.execute(upsert(connection, health, rows, ["trap", "hour"]))
    _keep_days(connection, trap, hours[0], hours[-1])


def _keep_days(connection: Connection, trap: str, first: datetime, last: datetime) -> None:
    """Bring the days from one hour's to the other's up to date with the hours."""
    start, end = first.replace(hour=0), last.replace(hour=23)
    query = select(health.c.hour, health.c.kind).where(health.c.trap == trap, health.c.hour.between(start, end))
    days: dict[str, list[str]] = {}
    for hour, kind in connection.execute(query):
        days.setdefault(f"{hour:%Y-%m-%d}", [UNKNOWN] * 24)[hour.hour] = LETTERS[kind]
    rows = [{"trap": trap, "day": day, "hours": "".join(letters)} for day, letters in days.items()]
    connection.execute(upsert(connection, health_days, rows, ["trap", "day"], ["hours"]))


def _forget(connection: Connection, trap: str, before: datetime) -> None:
    connection.execute(delete(health).where(health.c.trap == trap, health.c.hour < before))
    days = health_days.c.trap == trap, health_days.c.day < f"{before:%Y-%m-%d}"
    connection.execute(delete(health_days).where(*days))
