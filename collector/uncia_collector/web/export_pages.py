"""Downloads for other programs."""

from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from uncia_collector.exports import kinds
from uncia_collector.people import Person
from uncia_collector.web.shell import Shell
from uncia_contract.errors import DataError


def show_exports(request: Request, person: Person) -> Response:
    """What there is to download."""
    shell: Shell = request.app.state.shell
    listed = [(name, kind.title, kind.text) for name, kind in kinds.KINDS.items()]
    return shell.render(request, person, "export.html", kinds=listed)


def send_export(request: Request, person: Person) -> Response:
    """One file; exact coordinates for administrators who ask."""
    shell: Shell = request.app.state.shell
    name = request.path_params["kind"]
    exact = person.is_administrator and request.query_params.get("exact") == "1"
    with shell.database.reading() as connection:
        wanted = kinds.Request(connection, shell.settings.station, shell.root, datetime.now(UTC), exact)
        try:
            content = kinds.export(name, wanted)
        except DataError as error:
            raise HTTPException(404, str(error)) from error
    kind = kinds.KINDS[name]
    return Response(
        content, media_type=kind.media_type, headers={"content-disposition": f'attachment; filename="{kind.file}"'}
    )
