"""Reads where the traps stand from Camtrap DP's deployments.csv into the catalogue."""

from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import deployments
from uncia_collector.catalogue.sql import upsert
from uncia_contract.archive.camtrap_deployments import deployment_row, read_deployment_rows


def read_deployments(path: Path, database: Database) -> int:
    """Store the deployments of a Camtrap DP `deployments.csv` (or of the folder that holds one); how many.

    Raises:
        DataError: not such a table; the line and column are named.
    """
    path = path / "deployments.csv" if path.is_dir() else path
    rows = [deployment_row(line, number, path) for number, line in read_deployment_rows(path)]
    with database.writing() as connection:
        for row in rows:
            connection.execute(upsert(connection, deployments, row, ["id"], [name for name in row if name != "id"]))
    return len(rows)
