"""When each camera of a hub was known to be alive: from its first sign of life to its last one.

Decides that a sign is a burst that the hub's state tells, at the station's time: so long before the state came as the
hub's clock says. One that its clock puts after the state is none.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from uncia_collector.catalogue.schema import camera_signs
from uncia_collector.catalogue.sql import upsert
from uncia_contract.messages.records import TrapState


@dataclass(frozen=True)
class Signs:
    """The first and the last sign of life of one camera."""

    first_at: datetime
    last_at: datetime


def note_signs(connection: Connection, trap: str, state: TrapState, now: datetime) -> None:
    """Keep what a state that came now tells of the hub's cameras."""
    known = signs_of(connection, trap)
    for one in state.cameras:
        at = now - (state.sent_at - one.seen_at)
        before = known.get(one.camera, Signs(at, at))
        if at <= now and (one.camera not in known or before.last_at < at):
            row = {"trap": trap, "camera": one.camera, "first_at": before.first_at, "last_at": at}
            connection.execute(upsert(connection, camera_signs, row, ["trap", "camera"], ["last_at"]))


def signs_of(connection: Connection, trap: str) -> Mapping[str, Signs]:
    """Of each camera of one hub."""
    return signs(connection, trap).get(trap, {})


def signs(connection: Connection, trap: str = "") -> dict[str, dict[str, Signs]]:
    """Of each camera of each hub, or of one."""
    query = select(camera_signs).order_by(camera_signs.c.trap, camera_signs.c.camera)
    found: dict[str, dict[str, Signs]] = {}
    for row in connection.execute(query.where(camera_signs.c.trap == trap) if trap else query):
        found.setdefault(row.trap, {})[row.camera] = Signs(row.first_at, row.last_at)
    return found
