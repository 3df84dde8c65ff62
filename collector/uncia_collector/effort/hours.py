"""Keeps each trap's health by the hour, for two years.

Each hour of a trap has one kind, the first of these that applies. Times are those of the station's clock.
#1 `awake`: a message came, and the trap had its camera.
#2 `blind`: a message came, but the trap had no camera.
#3 `ran`: no message came, but later ones show that the trap was on: the machine's uptime, or a sequence of that hour
with a synchronised clock.
#4 `asleep`: the trap had announced a sleep; this holds for one day, or until the next pass that it announced.
#5 An hour of the trap "" says that the station listened. If the station did not listen and a trap has no kind, the hour
is unknown. Nothing is written for hours before the station's first one.
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
MOST_COUNTED = 2**31 - 1  # the largest integer of the column; a trap may claim more
LETTERS = {"awake": "a", "blind": "b", "ran": "r", "asleep": "s"}
KINDS = tuple(LETTERS)
UNKNOWN = "."
BLIND = "no camera"  # the beginning of a trap's `degraded` entry when it has no camera


def note_heard(connection: Connection, trap: str, now: datetime, asleep: bool, state: TrapState | None) -> None:
    """Note a message of the trap: `asleep` if it announced a sleep, and its `state` if it sent one."""
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
    """Note the sleep of a trap that is heard again: it began at `since`; `state` is the trap's last one before it."""
    planned = LONGEST_SLEEP
    if state is not None and state.next_pass_at is not None:
        planned = max(planned, state.next_pass_at - state.sent_at + HOUR)  # one hour of tolerance
    _fill(connection, trap, since, min(now, since + min(planned, KEPT)), "asleep")


def note_worked(connection: Connection, moments: Iterable[tuple[str, datetime]], now: datetime) -> None:
    """Note that these traps were on: pairs of a trap and the beginning of a sequence with a synchronised clock."""
    first = history_began(connection)
    if first is None:
        return
    for trap, hour in sorted({(trap, hour_of(moment)) for trap, moment in moments}):
        if first <= hour < hour_of(now):
            _keep(connection, trap, [hour], "ran")


def note_listening(connection: Connection, now: datetime) -> None:
    """Note that the station listens in this hour (#5)."""
    hour = hour_of(now)
    _keep(connection, STATION, [hour], "awake")
    _forget(connection, STATION, hour - KEPT)


def history_began(connection: Connection) -> datetime | None:
    """The first hour in which the station listened; None before that."""
    began: datetime | None = connection.execute(
        select(func.min(health.c.hour)).where(health.c.trap == STATION)
    ).scalar()
    return began


def hour_of(moment: datetime) -> datetime:
    """The beginning of the hour that holds a moment, in UTC."""
    return moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def _fill(connection: Connection, trap: str, since: datetime, until: datetime, kind: str) -> None:
    """Give this kind to the whole hours between `since` and `until` that follow the trap's last known hour."""
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
    """Write this kind for the hours (in order) that have none yet."""
    rows = [{"trap": trap, "hour": hour, "kind": kind} for hour in hours]
    connection.execute(upsert(connection, health, rows, ["trap", "hour"]))
    _keep_days(connection, trap, hours[0], hours[-1])


def _keep_days(connection: Connection, trap: str, first: datetime, last: datetime) -> None:
    """Write the days of `health_days` from the hours of `health`, from the day of `first` to the day of `last`."""
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
