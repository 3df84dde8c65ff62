"""The three tables of Camtrap DP 1.0 as every writer of packages needs them.

Decides what datapackage.json says of them and of the places, how a table is written, and what a machine's answer for
its labels becomes: the animal, or a blank.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from uncia_contract.archive.species import SPECIES

BASE = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/"
Row = dict[str, object]


def resource(name: str) -> dict[str, str]:
    """What datapackage.json says of the table."""
    return {
        "name": name, "path": f"{name}.csv", "profile": "tabular-data-resource", "format": "csv",
        "mediatype": "text/csv", "encoding": "utf-8", "schema": f"{BASE}{name}-table-schema.json",
    }  # fmt: skip


def write_table(stream: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table as its rows come; the stream is left open."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text.detach()


def machine_answer(
    label: str, positive: bool, probability: float, probabilities: Mapping[str, float] | None = None
) -> Row:
    """What a machine says of a picture or an event that looks for its positive labels only.

    Args:
        label: the likeliest of them.
        positive: whether the threshold was reached.
        probability: of all of them together.
        probabilities: the mean of each over the sequence, where there are several.
    """
    looked_for = " or ".join(probabilities or [label])
    if positive:
        named: Row = {"scientificName": SPECIES.get(label, ""), "observationTags": f"label:{label}"}
        if probabilities:
            of_each = ", ".join(f"{name} {one:.3f}" for name, one in probabilities.items())
            named["observationComments"] = f"{looked_for}: {probability:.3f} together; over the sequence {of_each}"
            probability = probabilities[label]
        return {"observationType": "animal", "classificationProbability": round(probability, 4)} | named
    return {
        "observationType": "blank", "classificationProbability": round(1.0 - probability, 4),
        "observationTags": f"label:not_{label}",
        "observationComments": f"no {looked_for} at the threshold; other animals were not looked for",
    }  # fmt: skip


def box(left: float, top: float, width: float, height: float) -> Row:
    """A region's fractions as the standard's box, within the picture."""
    return {
        "bboxX": left, "bboxY": top,
        "bboxWidth": max(1e-6, min(width, 1 - left)), "bboxHeight": max(1e-6, min(height, 1 - top)),
    }  # fmt: skip


def bounds(places: Iterable[tuple[float, float]]) -> dict[str, Any]:
    """The GeoJSON rectangle around (latitude, longitude) of all places."""
    latitudes, longitudes = zip(*places, strict=True)
    west, east, south, north = min(longitudes), max(longitudes), min(latitudes), max(latitudes)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
