"""The page of deployments: their list, and the forms that correct a clock and remove a deployment."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from sqlalchemy import Connection, func, select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from uncia_collector.catalogue.clocks.correction import difference, shift_by_picture, shift_clock, words_of
from uncia_collector.catalogue.deployments import remove_deployment
from uncia_collector.catalogue.people import Person
from uncia_collector.catalogue.schema import deployments, sequences
from uncia_collector.web.rendering import PageContext
from uncia_contract.archive.camtrap_deployments import moment
from uncia_contract.errors import DataError
from uncia_contract.messages.records import hub_of


def show_deployments(request: Request, person: Person) -> Response:
    """The page: the station's deployments, then those of surveys; the form is filled in with the address's values."""
    context: PageContext = request.app.state.context
    asked = {name: request.query_params.get(name, "")[:64] for name in ("deployment", "sequence", "trap")}
    with context.database.reading() as connection:
        query = select(deployments).order_by(deployments.c.origin, deployments.c.trap, deployments.c.started_at)
        rows = connection.execute(query).all()
        corrected = {row.id: _corrected(connection, row) for row in rows if row.clock_shift_s}
    newest = {row.trap: row.id for row in rows}
    chosen = asked["deployment"] or newest.get(asked["trap"]) or newest.get(hub_of(asked["trap"]), "")
    shifts = {row.id: words_of(timedelta(seconds=row.clock_shift_s)) for row in rows if row.clock_shift_s}
    return context.render(
        request, person, "deployments.html", rows=rows, corrected=corrected, shifts=shifts, chosen=chosen, asked=asked
    )


def send_clock(request: Request, _person: Person, form: Mapping[str, str]) -> Response:
    """Correct a deployment's clock, by a difference or by a sequence whose true start is known."""
    context: PageContext = request.app.state.context
    known, by, sequence = form.get("deployment", ""), form.get("by", "").strip(), form.get("sequence", "").strip()
    try:
        if by and not sequence:
            shift_clock(context.database, known, difference(by))
        elif sequence and not by:
            shift_by_picture(context.database, known, sequence, _local(form.get("taken_at", ""), context))
        else:
            raise DataError("Give either a difference, or a sequence and its true start.")
    except DataError as error:
        raise HTTPException(400, str(error)) from error
    return RedirectResponse("/deployments?" + urlencode({"deployment": known}), 303)


def send_removal(request: Request, _person: Person, form: Mapping[str, str]) -> Response:
    """Remove a deployment."""
    context: PageContext = request.app.state.context
    try:
        remove_deployment(context.database, form.get("deployment", ""))
    except DataError as error:
        raise HTTPException(400, str(error)) from error
    return RedirectResponse("/deployments", 303)


def _corrected(connection: Connection, row: Any) -> int:
    """The number of sequences with this deployment's correction."""
    trap, _, camera = row.trap.partition("/")
    where = [sequences.c.clock_shift_s == row.clock_shift_s]
    if row.origin:
        where += [sequences.c.trap == row.trap, sequences.c.origin == row.origin]
    else:
        where += [sequences.c.trap == trap, sequences.c.started_at >= row.started_at]
        where += [sequences.c.camera == camera] if camera else []
        where += [] if row.ended_at is None else [sequences.c.started_at <= row.ended_at]
    return int(connection.execute(select(func.count()).where(*where)).scalar_one())


def _local(text: str, context: PageContext) -> datetime:
    try:
        return moment(text, context.zone)
    except ValueError as error:
        raise DataError(str(error)) from error
