"""The page of exports, and the downloads."""

import os
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import chain
from typing import Any, BinaryIO

from sqlalchemy import Connection, func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from uncia_collector.catalogue import gallery
from uncia_collector.catalogue.filters import asked_date, noon
from uncia_collector.catalogue.people import Person
from uncia_collector.catalogue.schema import deployments, sequences, surveys
from uncia_collector.exports import kinds
from uncia_collector.exports.left_out import LeftOut
from uncia_collector.exports.sequences import Selection
from uncia_collector.web.rendering import PageContext
from uncia_collector.web.security import log_access
from uncia_contract.errors import DataError

PIECE = 256 * 1024
FEW = 2000  # sequences; counting so many takes under half a second


def show_exports(request: Request, person: Person) -> Response:
    """The page of exports: the kinds of files, what each leaves out, imported surveys and the latest downloads."""
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        cameras: dict[str, list[str]] = {}
        placed = select(deployments.c.origin, deployments.c.trap).distinct().where(deployments.c.origin != "")
        for origin, trap in connection.execute(placed.order_by(deployments.c.trap)):
            cameras.setdefault(origin, []).append(trap)
        imported = connection.execute(select(surveys).order_by(surveys.c.imported_at)).all()
        count = request.query_params.get("count") == "1" or _are_few(connection)
        coming = _foreseen(context, connection) if count else {}
        known = gallery.names(connection, "trap")
    listed = [(name, kind.title, kind.text) for name, kind in kinds.KINDS.items()]
    found = [(row, cameras.get(row.name, [])) for row in imported]
    done = [*request.app.state.exports]
    return context.render(
        request, person, "export.html", kinds=listed, surveys=found, coming=coming, counted=count, done=done,
        known=known,
    )  # fmt: skip


def _are_few(connection: Connection) -> bool:
    """Whether the catalogue is small enough to count what exports leave out while the page is made."""
    first = select(sequences.c.id).limit(FEW + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(first)).scalar_one()) <= FEW


def _foreseen(context: PageContext, connection: Connection) -> dict[str, LeftOut]:
    """What each kind of export would leave out, by kind."""
    wanted = kinds.Request(connection, context.settings.station, context.root, datetime.now(UTC))
    found = {name: kinds.foreseen(name, wanted) for name in kinds.KINDS}
    return {name: coming for name, coming in found.items() if coming is not None}


def send_export(request: Request, person: Person) -> Response:
    """Send one file, while the catalogue is read. Only administrators get exact coordinates, if they ask for them."""
    context: PageContext = request.app.state.context
    asked, now = request.query_params, datetime.now(UTC)
    name = asked.get("kind", request.path_params["kind"])
    exact, pictures = person.is_administrator and asked.get("exact") == "1", asked.get("pictures") == "1"
    if exact:
        log_access(request, person, "exact export", name)
    told: dict[str, Any] = {"exact": exact, "checklist": context.checklist, "zone": context.zone, "pictures": pictures}
    only = _selection(request, context.zone)

    def write(stream: BinaryIO) -> None:
        with context.database.reading() as connection:
            wanted = kinds.Request(connection, context.settings.station, context.root, now, only=only, **told)
            if (held := kinds.export(name, wanted, stream)) is not None:
                request.app.state.exports.appendleft((now, person.name, kinds.KINDS[name].title, held))

    pieces = _written(write)
    try:
        first = next(pieces, b"")  # before the headers are sent: an export that is refused gives an error page
    except DataError as error:
        raise HTTPException(404, str(error)) from error
    kind = kinds.KINDS[name]
    headers = {"content-disposition": f'attachment; filename="{kind.file}"'}
    return StreamingResponse(chain([first], pieces), media_type=kind.media_type, headers=headers)


def _selection(request: Request, zone: tzinfo) -> Selection:
    """The selection that the address asks for; nights last from noon to noon in the station's zone."""
    asked = request.query_params
    try:
        since, until = (asked_date(asked.get(name, "")) for name in ("since", "until"))
    except DataError as error:
        raise HTTPException(400, str(error)) from error
    return Selection(
        traps=tuple(name for name in asked.getlist("trap") if name),
        since=None if since is None else noon(since, zone),
        until=None if until is None else noon(until + timedelta(days=1), zone),
        reviewed={"yes": True, "no": False}.get(asked.get("reviewed", "")),
    )


def _written(write: Callable[[BinaryIO], None]) -> Iterator[bytes]:
    """Run `write` in a thread and yield what it writes; raise its error. If nobody reads on, `write` fails and ends."""
    reading, writing = os.pipe()

    def work() -> None:
        with open(writing, "wb") as stream:  # noqa: PTH123 - a file descriptor
            write(stream)

    with ThreadPoolExecutor(1, "export") as pool, open(reading, "rb", 0) as stream:  # noqa: PTH123
        written = pool.submit(work)
        while piece := stream.read(PIECE):
            yield piece
        written.result()
