"""Reads deployments (where the traps stand) from Camtrap DP's deployments.csv into the catalogue.

A row is refused if its cameraID is not a trap id, or if it ends before it starts.
"""

import re
from pathlib import Path
from typing import Any

from sqlalchemy import delete, select

from uncia_collector.catalogue.clocks.correction import correct, correct_imported, own_deployment
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import deployments
from uncia_collector.catalogue.sql import upsert
from uncia_contract.archive.camtrap_deployments import deployment_row, read_deployment_rows
from uncia_contract.errors import DataError
from uncia_contract.messages.records import CAMERA_ID, TRAP_ID, hub_of


def read_deployments(path: Path, database: Database) -> int:
    """Store the deployments of a Camtrap DP `deployments.csv` (or of the folder that holds it); return how many.

    Raises:
        DataError: the file is not such a table, or a trap or time is invalid; the message names line and column, and
            nothing is stored.
    """
    path = path / "deployments.csv" if path.is_dir() else path
    rows = [
        _checked(deployment_row(line, number, path), f"{path}, line {number}")
        for number, line in read_deployment_rows(path)
    ]
    with database.writing() as connection:
        before = select(deployments.c.trap).where(deployments.c.id.in_([row["id"] for row in rows]))
        traps = {row["trap"] for row in rows} | set(connection.execute(before).scalars())
        for row in rows:
            connection.execute(upsert(connection, deployments, row, ["id"], [name for name in row if name != "id"]))
        for trap in sorted({hub_of(trap) for trap in traps}):  # a hub's cameras are corrected with it
            correct(connection, trap)
    return len(rows)


def remove_deployment(database: Database, deployment: str) -> None:
    """Remove a deployment. The trap's sequences stay; their times are those of the trap's clock again.

    Raises:
        DataError: there is no deployment with this id, or it came with a survey.
    """
    with database.writing() as connection:
        place = own_deployment(connection, deployment)
        connection.execute(delete(deployments).where(deployments.c.id == deployment))
        correct(connection, place.trap)
        correct_imported(connection, place.trap, deployment, 0.0)


def _checked(row: dict[str, Any], where: str) -> dict[str, Any]:
    if not row["id"]:
        raise DataError(f"{where}: deploymentID is empty; expected a unique name")
    trap, slash, camera = row["trap"].partition("/")
    if not (re.fullmatch(TRAP_ID, trap) and re.fullmatch(CAMERA_ID, camera) and bool(slash) == bool(camera)):
        raise DataError(
            f"{where}: cameraID {row['trap']!r} is not a trap id; expected the id in its trap.toml: "
            "1 to 32 of a-z, 0-9, _ and -, for a hub's camera /NAME after it"
        )
    if row["ended_at"] is not None and row["ended_at"] < row["started_at"]:
        raise DataError(
            f"{where}: deploymentEnd {row['ended_at']:%Y-%m-%d %H:%M} UTC is before deploymentStart "
            f"{row['started_at']:%Y-%m-%d %H:%M} UTC; correct one of them"
        )
    return row
