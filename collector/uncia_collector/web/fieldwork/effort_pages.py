"""The page of effort: nights and sighting rates of each trap, and the tables as CSV."""

from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from uncia_collector.catalogue.events.settling import independence
from uncia_collector.catalogue.filters import night_of
from uncia_collector.catalogue.people import Person
from uncia_collector.effort.hours import history_began
from uncia_collector.effort.nights import DAY, KINDS
from uncia_collector.effort.rates import effort
from uncia_collector.effort.tables import TABLES, Wanted, effort_csv
from uncia_collector.web.rendering import PageContext, asked_number
from uncia_contract.errors import DataError

PERIODS_DAYS = (7, 30, 90, 365, 730)
OCCASIONS = (1, 3, 5, 7, 10, 14, 30)


def show_effort(request: Request, person: Person) -> Response:
    """The page: nights worked, asleep, silent and unknown, and sightings per 100 nights worked, of each trap."""
    context: PageContext = request.app.state.context
    wanted, now = _wanted(request), datetime.now(UTC)
    with context.database.reading() as connection:
        found = effort(connection, wanted.first, wanted.last, now, context.zone, wanted.label)
        began, apart = history_began(connection), independence(connection)
        labels = context.labels(connection, wanted.label)
    *each, total = found.by_trap()
    return context.render(
        request, person, "effort.html", each=each, total=total, kinds=KINDS, wanted=wanted, began=began, apart=apart,
        labels=labels, days=(wanted.last - wanted.first).days + 1, periods=PERIODS_DAYS, occasions=OCCASIONS,
        tables=list(TABLES),
    )  # fmt: skip


def send_effort(request: Request, _person: Person) -> Response:
    """Send one of the tables as CSV; 404 if there is no such table."""
    context: PageContext = request.app.state.context
    kind = request.path_params["kind"]
    try:
        with context.database.reading() as connection:
            text = effort_csv(connection, kind, _wanted(request), datetime.now(UTC))
    except DataError as error:
        raise HTTPException(404, str(error)) from error
    headers = {"content-disposition": f'attachment; filename="{kind}.csv"'}
    return Response(text, media_type="text/csv", headers=headers)


def _wanted(request: Request) -> Wanted:
    zone = request.app.state.context.zone
    last = night_of(datetime.now(UTC), zone) - DAY
    first = last - (asked_number(request, "days", 90, 730) - 1) * DAY
    occasion = asked_number(request, "occasion", 7, 366)
    return Wanted(first, last, zone, request.query_params.get("label", "")[:80], occasion)
