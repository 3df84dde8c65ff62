"""Shared parts of all writers of Camtrap DP 1.0 packages: tables, resources, machine observations, bounding boxes.

Decides what datapackage.json says about the tables and the places, how a table is written, and how a bundle's answer
becomes an observation: an animal or a blank.
"""

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from typing import IO, Any

from uncia_contract.archive.species import SPECIES

BASE = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/"
Row = dict[str, object]


def resource(name: str) -> dict[str, str]:
    """The entry of a table in datapackage.json."""
    return {
        "name": name, "path": f"{name}.csv", "profile": "tabular-data-resource", "format": "csv",
        "mediatype": "text/csv", "encoding": "utf-8", "schema": f"{BASE}{name}-table-schema.json",
    }  # fmt: skip


def write_table(stream: IO[bytes], columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write a table as CSV (UTF-8), row by row; the stream is left open."""
    text = io.TextIOWrapper(stream, encoding="utf-8", newline="")
    writer = csv.DictWriter(text, columns, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    text.detach()


def machine_answer(
    label: str, positive: bool, probability: float, probabilities: Mapping[str, float] | None = None
) -> Row:
    """The observation columns for a bundle's answer on a picture or an event.

    A bundle looks for its positive labels only, so a negative becomes a `blank` with a comment that says so.

    Args:
        label: the likeliest positive label.
        positive: whether the threshold was reached.
        probability: the probability of all positive labels together, in [0, 1].
        probabilities: each positive label's mean over the sequence, where the bundle has several.
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
    """The bounding-box columns for a region, cut to the picture; all values are fractions of the picture."""
    return {
        "bboxX": left, "bboxY": top,
        "bboxWidth": max(1e-6, min(width, 1 - left)), "bboxHeight": max(1e-6, min(height, 1 - top)),
    }  # fmt: skip


def bounds(places: Iterable[tuple[float, float]]) -> dict[str, Any]:
    """The GeoJSON rectangle around all places, each (latitude, longitude) in degrees."""
    latitudes, longitudes = zip(*places, strict=True)
    west, east, south, north = min(longitudes), max(longitudes), min(latitudes), max(latitudes)
    ring = [[west, south], [east, south], [east, north], [west, north], [west, south]]
    return {"type": "Polygon", "coordinates": [ring]}
