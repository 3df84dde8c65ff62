"""Pages about the station as a whole: traps and their health, map, activity, recall, quarantine."""

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import func, select
from starlette.requests import Request
from starlette.responses import Response

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.events.settling import independence
from uncia_collector.catalogue.needs import NEEDS, needs
from uncia_collector.catalogue.overdue import camera_silences, silence
from uncia_collector.catalogue.people import Person
from uncia_collector.catalogue.recall import ENOUGH, miss_rates
from uncia_collector.catalogue.schema import deployments, quarantine, surveys, tallies, traps
from uncia_collector.catalogue.sightings import count_by_place, count_sightings, places
from uncia_collector.languages.catalogues import N_
from uncia_collector.web.rendering import PageContext, asked_number
from uncia_collector.web.security import log_access
from uncia_collector.web.svg_geometry import MAP_HEIGHT, MAP_WIDTH, bars, station_map
from uncia_contract.messages.records import TrapState, camera_name, decode

DOUBLED_FOR = timedelta(days=1)  # how long the page warns of two machines with one id
PERIODS_DAYS = (7, 30, 90, 365, 3650)
TALLIES = {  # names for the counts of the store (ingest/store.py) and of this collector since its start
    "sequences": N_("sequences stored"),
    "records_again": N_("sequences that came again"),
    "frames": N_("frames stored"),
    "chunks": N_("parts of frames stored"),
    "chunks_again": N_("parts of frames that came again"),
    "states": N_("states of traps"),
    "garbage": N_("messages that cannot be used"),
    "conflicts": N_("messages that contradict a stored sequence"),
    "mismatches": N_("frames that arrived damaged"),
    "not_jpeg": N_("frames that are no JPEG"),
    "retained": N_("messages that the broker had retained"),
    "over_budget": N_("messages over a trap's limit"),
    "waiting_dropped": N_("parts of frames dropped because too many waited"),
    "batches_that_had_to_wait": N_("batches that had to wait for the disk or database"),
    "messages_sent_back": N_("messages that the broker has to send again"),
}
WEEKS = 26  # weeks in the table by trap and week, unless all are wanted


def show_traps(request: Request, person: Person) -> Response:
    """Each trap: whether it is online or overdue, and its state; traps that need attention first."""
    context: PageContext = request.app.state.context
    now = datetime.now(UTC)
    with context.database.reading() as connection:
        rows = connection.execute(select(traps).order_by(traps.c.trap)).all()
        deployed = select(deployments.c.trap).where(deployments.c.origin == "").distinct()
        placed = {*connection.execute(deployed).scalars()}
    known = [_trap(row, now) for row in rows]
    heard = {camera_name(trap["name"], one) for trap in known for one in ("", *trap["cameras"])}
    unheard = sorted(placed - heard)
    known.sort(key=lambda trap: ([NEEDS.index(what) for what, _ in trap["needs"]] or [len(NEEDS)], trap["name"]))
    return context.render(request, person, "traps.html", traps=known, unheard=unheard)


def show_map(request: Request, person: Person) -> Response:
    """The map of traps with their sightings; each view is in the access log, because it shows exact places."""
    log_access(request, person, "exact map")
    context: PageContext = request.app.state.context
    days, survey, label = (
        asked_number(request, "days", 90, 3650),
        request.query_params.get("survey", "")[:64],
        _label(request),
    )
    since = _since(days)
    with context.database.reading() as connection:
        found = places(connection, since, survey)
        apart = independence(connection)
        station = station_map(found, count_by_place(connection, found, since, label))
        known = [tuple(row) for row in connection.execute(select(surveys.c.name, surveys.c.title))]
        labels = context.labels(connection, label)
    return context.render(
        request,
        person,
        "map.html",
        map=station,
        width=MAP_WIDTH,
        height=MAP_HEIGHT,
        days=days,
        periods=PERIODS_DAYS,
        survey=survey,
        label=label,
        labels=labels,
        surveys=known,
        apart=apart,
    )


def show_activity(request: Request, person: Person) -> Response:
    """Sightings by hour of the day, and by trap and week."""
    context: PageContext = request.app.state.context
    days, trap, label = (
        asked_number(request, "days", 90, 3650),
        request.query_params.get("trap", "")[:64],
        _label(request),
    )
    every = request.query_params.get("weeks") == "all"
    with context.database.reading() as connection:
        found = count_sightings(connection, _since(days), context.zone, trap, label=label)
        apart, labels = independence(connection), context.labels(connection, label)
        known = gallery.trap_names(connection, trap)
    return context.render(
        request,
        person,
        "activity.html",
        found=found,
        hours=bars(found.by_hour, 720, 200),
        days=days,
        periods=PERIODS_DAYS,
        trap=trap,
        known=known,
        label=label,
        labels=labels,
        weeks=found.weeks if every else found.weeks[-WEEKS:],
        earlier=0 if every else found.count_of(found.weeks[:-WEEKS]),
        every=f"?{urlencode([*request.query_params.items(), ('weeks', 'all')])}",
        most=max([1, *found.by_week.values()]),
        apart=apart,
    )


def show_recall(request: Request, person: Person) -> Response:
    """The share of missed animals, estimated from the audits."""
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        rates = miss_rates(connection, by_name=person.may_see_places)
    return context.render(request, person, "recall.html", rates=rates, enough=ENOUGH)


def show_quarantine(request: Request, person: Person) -> Response:
    """The refused messages, newest first, and all counts."""
    context: PageContext = request.app.state.context
    columns = (quarantine.c.key, quarantine.c.at, quarantine.c.trap, quarantine.c.topic, quarantine.c.reason)
    with context.database.reading() as connection:
        rows = connection.execute(select(*columns).order_by(quarantine.c.key.desc()).limit(200)).all()
        counted = select(tallies.c.name, func.sum(tallies.c.count)).group_by(tallies.c.name).order_by(tallies.c.name)
        totals = dict(connection.execute(counted).tuples().all())
    if context.ingest is not None:  # since this collector's start
        totals |= {"batches_that_had_to_wait": context.ingest.refusals, "messages_sent_back": context.ingest.dropped}
    counts = [(TALLIES.get(name, name), count) for name, count in totals.items()]
    return context.render(request, person, "quarantine.html", rows=rows, totals=counts)


def _trap(row: Any, now: datetime) -> dict[str, Any]:
    silent, state = silence(row, now), None if row.state is None else decode(row.state, TrapState)
    doubled = row.doubled_at is not None and now - row.doubled_at < DOUBLED_FOR
    cameras = {} if state is None else camera_silences(row, state, now)
    return {
        "name": row.trap,
        "availability": row.availability or "unknown",
        "last_seen_at": row.last_seen_at,
        "silence": silent,
        "needs": needs(silent, state, doubled, cameras),
        "cameras": cameras,
        "state": state,
        "state_at": row.state_at,
    }


def _label(request: Request) -> str:
    return request.query_params.get("label", "")[:80]


def _since(days: int) -> datetime:
    return datetime.now(UTC) - timedelta(days=days)
