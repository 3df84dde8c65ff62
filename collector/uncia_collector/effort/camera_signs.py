"""Keeps the first and the last sign of life of each camera of a hub.

A sign of life is the latest burst of a camera that the hub's state names (`seen_at`). Its time is converted to the
station's clock: the state's arrival, minus the age of the burst by the hub's clock. A burst that is later than the
state by the hub's clock is ignored, and so is a new camera of a hub that has `MOST_CAMERAS`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, select

from uncia_collector.catalogue.schema import camera_signs
from uncia_collector.catalogue.sql import upsert
from uncia_contract.messages.records import MAX_CAMERAS, TrapState

MOST_CAMERAS = 5 * MAX_CAMERAS  # of one hub; else a hostile trap could fill the table with names


@dataclass(frozen=True)
class Signs:
    """The first and the last sign of life of one camera, by the station's clock."""

    first_at: datetime
    last_at: datetime


def note_signs(connection: Connection, trap: str, state: TrapState, now: datetime) -> None:
    """Store the signs of life in a hub's state that arrived at `now`."""
    known = signs_of(connection, trap)
    for one in state.cameras:
        at = now - (state.sent_at - one.seen_at)
        before = known.get(one.camera, Signs(at, at))
        if at <= now and (before.last_at < at if one.camera in known else len(known) < MOST_CAMERAS):
            row = {"trap": trap, "camera": one.camera, "first_at": before.first_at, "last_at": at}
            connection.execute(upsert(connection, camera_signs, row, ["trap", "camera"], ["last_at"]))


def signs_of(connection: Connection, trap: str) -> Mapping[str, Signs]:
    """The signs of life of one hub's cameras, by camera."""
    return signs(connection, trap).get(trap, {})


def signs(connection: Connection, trap: str = "") -> dict[str, dict[str, Signs]]:
    """The signs of life of all hubs' cameras, or of the hub `trap`, by hub and camera."""
    query = select(camera_signs).order_by(camera_signs.c.trap, camera_signs.c.camera)
    found: dict[str, dict[str, Signs]] = {}
    for row in connection.execute(query.where(camera_signs.c.trap == trap) if trap else query):
        found.setdefault(row.trap, {})[row.camera] = Signs(row.first_at, row.last_at)
    return found
