"""Effort as CSV tables, for spreadsheets and R.

- `summary`: one line per trap; each camera of a hub counts as a trap (`trap/camera`).
- `nights`: one line per site and night.
- `records`: one line per sighting (event).
- `detections`: one line per site, one column per occasion of some nights: 1 with a sighting, 0 without, NA if the site
  worked in no night of the occasion.
- `effort`: the same shape, with the number of nights in which the site worked.

A shorter occasion at the end is left out.
"""

import csv
import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, tzinfo

from sqlalchemy import Connection, select

from uncia_collector.catalogue.events.finding import called
from uncia_collector.catalogue.filters import night_of, noon
from uncia_collector.catalogue.schema import events
from uncia_collector.effort.nights import DAY, KINDS
from uncia_collector.effort.rates import FieldEffort, effort
from uncia_contract.errors import DataError
from uncia_contract.messages.records import camera_name

Row = list[object]
NA = "NA"
MOST_NIGHTS = 10_000


@dataclass(frozen=True)
class Wanted:
    """What a table covers: nights from `first` to `last`, sightings of `label` ("": all), occasions of `days`."""

    first: date
    last: date
    zone: tzinfo
    label: str = ""
    days: int = 7


def effort_csv(connection: Connection, kind: str, wanted: Wanted, now: datetime) -> str:
    """The table `kind` (a key of `TABLES`) as CSV text.

    Raises:
        DataError: `kind` is unknown, or the nights are out of range.
    """
    if kind not in TABLES:
        raise DataError(f"effort {kind[:20]!r}: expected one of {', '.join(TABLES)}")
    if not 1 <= wanted.days <= 366 or not 0 <= (wanted.last - wanted.first).days < MOST_NIGHTS:
        raise DataError(
            f"effort from {wanted.first} to {wanted.last} by {wanted.days} nights: expected 1 to {MOST_NIGHTS} nights, "
            "by 1 to 366"
        )
    found = effort(connection, wanted.first, wanted.last, now, wanted.zone, wanted.label)
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(TABLES[kind](connection, found, wanted))
    return stream.getvalue()


def _summary(_connection: Connection, found: FieldEffort, _wanted: Wanted) -> Iterator[Row]:
    """Per trap: nights of each kind, sightings, and sightings per 100 worked nights with the 95 % interval."""
    yield [
        "trap",
        *(f"nights_{kind}" for kind in KINDS),
        "sightings",
        "per_100_nights",
        "low_95",
        "high_95",
        "sightings_in_other_nights",
    ]
    for one in found.by_trap():
        low, high = one.interval or (NA, NA)
        kinds = [one.nights[kind] for kind in KINDS]
        yield [one.trap or "all", *kinds, one.sightings, _short(one.rate), _short(low), _short(high), one.outside]


def _nights(_connection: Connection, found: FieldEffort, _wanted: Wanted) -> Iterator[Row]:
    """The kind of each night; a night is named by the day on which it began."""
    yield ["site", "trap", "night", "kind", "sightings"]
    for site, kinds in found.nights.items():
        seen = found.seen.get(site.trap, {})
        for night, kind in kinds.items():
            yield [site.id, site.trap, night, kind, seen.get(night, 0)]


def _occasions(found: FieldEffort, wanted: Wanted) -> dict[str, list[tuple[int, bool]]]:
    """Per site, for each occasion: the number of worked nights, and whether a sighting began in one of them."""
    cells: dict[str, list[list[int]]] = {}
    for site, kinds in found.nights.items():
        seen = found.seen.get(site.trap, {})
        row = cells.setdefault(site.id, [[0, 0] for _ in _starts(wanted)])
        for night, kind in kinds.items():
            at = (night - wanted.first).days // wanted.days
            if kind == "worked" and at < len(row):
                row[at][0] += 1
                row[at][1] += seen.get(night, 0)
    return {site: [(worked, bool(seen)) for worked, seen in row] for site, row in sorted(cells.items())}


def _starts(wanted: Wanted) -> list[date]:
    whole = ((wanted.last - wanted.first).days + 1) // wanted.days
    return [wanted.first + n * wanted.days * DAY for n in range(whole)]


def _detections(_connection: Connection, found: FieldEffort, wanted: Wanted) -> Iterator[Row]:
    yield ["site", *_starts(wanted)]
    for site, cells in _occasions(found, wanted).items():
        yield [site, *(int(seen) if worked else NA for worked, seen in cells)]


def _effort(_connection: Connection, found: FieldEffort, wanted: Wanted) -> Iterator[Row]:
    yield ["site", *_starts(wanted)]
    for site, cells in _occasions(found, wanted).items():
        yield [site, *(worked or NA for worked, _ in cells)]


def _records(connection: Connection, found: FieldEffort, wanted: Wanted) -> Iterator[Row]:
    """Per event: its site and its beginning in station time, with camtrapR's column names."""
    yield ["Station", "Trap", "Species", "DateTimeOriginal"]
    places = {(site.trap, night): site.id for site, nights in found.nights.items() for night in nights}
    there = (
        events.c.started_at >= noon(wanted.first, wanted.zone),
        events.c.started_at < noon(wanted.last + DAY, wanted.zone),
    )
    columns = events.c.trap, events.c.camera, events.c.label, events.c.started_at
    query = select(*columns).where(called(wanted.label), *there)
    for trap, camera, name, started_at in connection.execute(query.order_by(events.c.started_at, events.c.trap)):
        night, own = night_of(started_at, wanted.zone), camera_name(trap, camera)
        site = places.get((own, night))
        if site is not None:
            yield [site, own, name, f"{started_at.astimezone(wanted.zone):%Y-%m-%d %H:%M:%S}"]


def _short(value: object) -> object:
    return f"{value:.2f}" if isinstance(value, float) else (NA if value is None else value)


TABLES: dict[str, Callable[[Connection, FieldEffort, Wanted], Iterator[Row]]] = {
    "summary": _summary, "nights": _nights, "records": _records, "detections": _detections, "effort": _effort,
}  # fmt: skip
