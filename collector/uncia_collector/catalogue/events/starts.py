"""The starts of events, packed by month, so that events of years are counted fast.

For each trap (of a hub: `trap/camera`), label and UTC month, the starts are sorted 64-bit integers: microseconds since
1970. Events that show nothing are left out. `settling` packs the months that it changes; counting functions read
`starts`.
"""

from datetime import UTC, datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import ColumnElement, Connection, delete, insert, or_, select

from uncia_collector.catalogue.schema import event_months, events
from uncia_contract.messages.records import camera_name

Starts = NDArray[np.int64]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)


def micros(moment: datetime) -> int:
    """A moment as microseconds since 1970."""
    return (moment - _EPOCH) // _TICK


def starts(
    connection: Connection, since: datetime, until: datetime, label: str = "", trap: str = ""
) -> dict[tuple[str, str], Starts]:
    """The sorted starts (int64 microseconds) of sightings from `since` to `until`, by (trap, label).

    With `label`, the starts of all events of that label, sighting or not. With `trap`, those of one trap, or of a hub
    with all its cameras.
    """
    query = select(event_months.c.trap, event_months.c.label, event_months.c.starts)
    query = query.where(event_months.c.month.between(_month(since), _month(until)))
    query = query.where(event_months.c.label == label if label else event_months.c.sighting.is_(True))
    query = query.where(_of(trap)) if trap else query
    parts: dict[tuple[str, str], list[Starts]] = {}
    for name, called, packed in connection.execute(query):
        parts.setdefault((name, called), []).append(np.frombuffer(packed, "<i8"))
    low, high = micros(since), micros(until)
    found = {key: np.sort(np.concatenate(part)) for key, part in parts.items()}
    return {key: part[np.searchsorted(part, low) : np.searchsorted(part, high)] for key, part in found.items()}


def pack(connection: Connection, trap: str, since: datetime, until: datetime) -> None:
    """Pack a trap's events again, for all months from that of `since` to that of `until`."""
    months = event_months.c.month.between(_month(since), _month(until))
    connection.execute(delete(event_months).where(_of(trap), months))
    first, end = _begins(since), _begins(_begins(until) + timedelta(days=32))
    columns = events.c.camera, events.c.label, events.c.sighting, events.c.started_at
    query = select(*columns).where(events.c.trap == trap)
    query = query.where(events.c.started_at >= first, events.c.started_at < end, events.c.label != "")
    packed: dict[tuple[str, str, bool, str], list[int]] = {}
    for camera, label, sighting, started_at in connection.execute(query.order_by(events.c.started_at)):
        key = camera_name(trap, camera), label, sighting, _month(started_at)
        packed.setdefault(key, []).append(micros(started_at))
    rows = [
        {"trap": name, "label": label, "sighting": sighting, "month": month, "starts": np.array(of, "<i8").tobytes()}
        for (name, label, sighting, month), of in packed.items()
    ]
    if rows:
        connection.execute(insert(event_months), rows)


def _of(trap: str) -> ColumnElement[bool]:
    return or_(event_months.c.trap == trap, event_months.c.trap.startswith(f"{trap}/", autoescape=True))


def _month(moment: datetime) -> str:
    at = moment.astimezone(UTC)
    return f"{at.year:04}-{at.month:02}"


def _begins(moment: datetime) -> datetime:
    """The beginning of a moment's month, in UTC."""
    return moment.astimezone(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
