"""The three tables of Camtrap DP 1.0: how a table is described and written into a zip."""

import csv
import io
import zipfile
from collections.abc import Iterable

from uncia_contract.datasets.camtrap_columns import COLUMNS

BASE = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/"

Row = dict[str, object]


def resource(name: str) -> dict[str, str]:
    """What datapackage.json says of the table."""
    return {
        "name": name, "path": f"{name}.csv", "profile": "tabular-data-resource", "format": "csv",
        "mediatype": "text/csv", "encoding": "utf-8", "schema": f"{BASE}{name}-table-schema.json",
    }  # fmt: skip


def write_table(package: zipfile.ZipFile, name: str, rows: Iterable[Row]) -> None:
    """Write a table as its rows come."""
    with package.open(f"{name}.csv", "w") as member:
        text = io.TextIOWrapper(member, encoding="utf-8", newline="")
        writer = csv.DictWriter(text, COLUMNS[name], restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        text.detach()
