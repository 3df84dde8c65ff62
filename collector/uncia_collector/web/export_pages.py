"""Downloads for other programs."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from sqlalchemy import Connection, func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from uncia_collector.catalogue.people import Person
from uncia_collector.catalogue.schema import deployments, sequences, surveys
from uncia_collector.exports import kinds
from uncia_collector.exports.left_out import LeftOut
from uncia_collector.web.rendering import PageContext
from uncia_contract.errors import DataError

PIECE = 256 * 1024
FEW = 5000  # sequences: under half a second


def show_exports(request: Request, person: Person) -> Response:
    """What there is to download, and what was imported."""
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        cameras: dict[str, list[str]] = {}
        placed = select(deployments.c.origin, deployments.c.trap).distinct().where(deployments.c.origin != "")
        for origin, trap in connection.execute(placed.order_by(deployments.c.trap)):
            cameras.setdefault(origin, []).append(trap)
        imported = connection.execute(select(surveys).order_by(surveys.c.imported_at)).all()
        count = request.query_params.get("count") == "1" or _are_few(connection)
        coming = _foreseen(context, connection) if count else {}
    listed = [(name, kind.title, kind.text) for name, kind in kinds.KINDS.items()]
    found = [(row, cameras.get(row.name, [])) for row in imported]
    done = [*request.app.state.exports]
    return context.render(
        request, person, "export.html", kinds=listed, surveys=found, coming=coming, counted=count, done=done
    )


def _are_few(connection: Connection) -> bool:
    """Whether the sequences are few enough to look at each while a page is made."""
    first = select(sequences.c.id).limit(FEW + 1).subquery()
    return int(connection.execute(select(func.count()).select_from(first)).scalar_one()) <= FEW


def _foreseen(context: PageContext, connection: Connection) -> dict[str, LeftOut]:
    """What each kind would leave out."""
    wanted = kinds.Request(connection, context.settings.station, context.root, datetime.now(UTC))
    found = {name: kinds.foreseen(name, wanted) for name in kinds.KINDS}
    return {name: coming for name, coming in found.items() if coming is not None}


def send_export(request: Request, person: Person) -> Response:
    """One file; exact coordinates for administrators who ask."""
    context: PageContext = request.app.state.context
    name = request.path_params["kind"]
    exact = person.is_administrator and request.query_params.get("exact") == "1"
    content = tempfile.TemporaryFile(dir=context.root)  # noqa: SIM115 - on disk, nameless; `_pieces` closes it
    try:
        with context.database.reading() as connection:
            now, station, taxa = datetime.now(UTC), context.settings.station, context.checklist
            wanted = kinds.Request(connection, station, context.root, now, exact, checklist=taxa, zone=context.zone)
            told = kinds.export(name, wanted, content)
    except DataError as error:
        content.close()
        raise HTTPException(404, str(error)) from error
    except OSError as error:
        content.close()
        raise HTTPException(507, f"The station's disk cannot take the file: {error.strerror}.") from error
    kind, size = kinds.KINDS[name], content.tell()
    if told:
        request.app.state.exports.appendleft((now, person.name, kind.title, told))
    headers = {"content-disposition": f'attachment; filename="{kind.file}"', "content-length": str(size)}
    return StreamingResponse(_pieces(content), media_type=kind.media_type, headers=headers)


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    with content:
        content.seek(0)
        while piece := content.read(PIECE):
            yield piece
