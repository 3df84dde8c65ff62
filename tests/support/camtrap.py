"""Small Camtrap DP packages with rows that a test chooses."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

PROFILE = "https://raw.githubusercontent.com/tdwg/camtrap-dp/1.0.2/camtrap-dp-profile.json"
DEPLOYMENT = {
    "deploymentID": "d1", "locationID": "ridge", "latitude": "36.9", "longitude": "73.0",
    "deploymentStart": "2026-01-01T00:00:00+05:00", "deploymentEnd": "2026-12-01T00:00:00+05:00", "cameraID": "cam",
}  # fmt: skip
Rows = Sequence[Mapping[str, str]]


def medium(name: str, time: str = "08:00:00", **more: str) -> dict[str, str]:
    """The row of a picture of 1 May (UTC)."""
    at = time if "T" in time else f"2026-05-01T{time}Z"
    return {
        "mediaID": name, "deploymentID": "d1", "captureMethod": "activityDetection", "timestamp": at,
        "filePath": f"media/{name}.jpg", "filePublic": "true", "fileMediatype": "image/jpeg",
    } | more  # fmt: skip


def observation(name: str, **more: str) -> dict[str, str]:
    """The row of a snow leopard that a person observed; for an event if no `mediaID` is given."""
    level = "media" if "mediaID" in more else "event"
    return {
        "observationID": name, "deploymentID": "d1", "mediaID": "", "eventID": "",
        "eventStart": "2026-05-01T08:00:00Z", "eventEnd": "2026-05-01T08:00:10Z", "observationLevel": level,
        "observationType": "animal", "scientificName": "Panthera uncia", "classificationMethod": "human",
        "classificationProbability": "",
    } | more  # fmt: skip


BY_MACHINE = {"classificationMethod": "machine", "classificationProbability": "0.93"}


def text_of(rows: Rows, sign: str = ",", header: bool = True) -> str:
    """A table as CSV text."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    lines = [names] if header else []
    lines += [[row.get(name, "") for name in names] for row in rows]
    return "".join(sign.join(f'"{cell}"' if sign in cell else cell for cell in line) + "\n" for line in lines)


def write_package(
    folder: Path, media: Rows, observations: Rows, deployments: Rows = (DEPLOYMENT,), **described: Any
) -> Path:
    """Write the package; return its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {"deployments": deployments, "media": media, "observations": observations}
    for name, rows in tables.items():
        (folder / f"{name}.csv").write_text(text_of(rows), encoding="utf-8")
    resources = [{"name": name, "path": f"{name}.csv"} for name in tables]
    package = {"profile": PROFILE, "name": "survey", "resources": resources} | described
    (folder / "datapackage.json").write_text(json.dumps(package), encoding="utf-8")
    return folder
