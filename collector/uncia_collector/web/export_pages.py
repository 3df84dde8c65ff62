"""Downloads for other programs."""

import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import BinaryIO

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from uncia_collector.catalogue.people import Person
from uncia_collector.catalogue.schema import deployments, surveys
from uncia_collector.exports import kinds
from uncia_collector.web.rendering import PageContext
from uncia_contract.errors import DataError

PIECE = 256 * 1024


def show_exports(request: Request, person: Person) -> Response:
    """What there is to download, and what was imported."""
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        cameras: dict[str, list[str]] = {}
        placed = select(deployments.c.origin, deployments.c.trap).distinct().where(deployments.c.origin != "")
        for origin, trap in connection.execute(placed.order_by(deployments.c.trap)):
            cameras.setdefault(origin, []).append(trap)
        imported = connection.execute(select(surveys).order_by(surveys.c.imported_at)).all()
    listed = [(name, kind.title, kind.text) for name, kind in kinds.KINDS.items()]
    return context.render(
        request, person, "export.html", kinds=listed, surveys=[(row, cameras.get(row.name, [])) for row in imported]
    )


def send_export(request: Request, person: Person) -> Response:
    """One file; exact coordinates for administrators who ask."""
    context: PageContext = request.app.state.context
    name = request.path_params["kind"]
    exact = person.is_administrator and request.query_params.get("exact") == "1"
    content = tempfile.TemporaryFile(dir=context.root)  # noqa: SIM115 - on disk, nameless; `_pieces` closes it
    try:
        with context.database.reading() as connection:
            wanted = kinds.Request(connection, context.settings.station, context.root, datetime.now(UTC), exact)
            kinds.export(name, wanted, content)
    except DataError as error:
        content.close()
        raise HTTPException(404, str(error)) from error
    except OSError as error:
        content.close()
        raise HTTPException(507, f"The station's disk cannot take the file: {error.strerror}.") from error
    kind, size = kinds.KINDS[name], content.tell()
    headers = {"content-disposition": f'attachment; filename="{kind.file}"', "content-length": str(size)}
    return StreamingResponse(_pieces(content), media_type=kind.media_type, headers=headers)


def _pieces(content: BinaryIO) -> Iterator[bytes]:
    with content:
        content.seek(0)
        while piece := content.read(PIECE):
            yield piece
