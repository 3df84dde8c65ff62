"""A detector's results, mistaken for a data set: MegaDetector's JSON, recognised by its layout.

Layouts: agentmorris/MegaDetector's (lila.science/megadetector-output-format, 1.x), which `score` writes as well; the
list of files that microsoft/MegaDetector writes; and the annotations by img_id of its PytorchWildlife.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from uncia_contract.errors import UNDECODABLE, DataError


def refuse_detector_file(path: Path) -> None:
    """Nothing, where the file holds something else or cannot be read.

    Raises:
        DataError: see `refuse_detector_results`.
    """
    with suppress(OSError, *UNDECODABLE):
        refuse_detector_results(str(path), msgspec.json.decode(path.read_bytes()))


def refuse_detector_results(where: str, content: object) -> None:
    """Nothing, where it is something else.

    Args:
        where: the file, for the message.
        content: its decoded JSON.

    Raises:
        DataError: boxes and their confidences, but no labels that people gave.
    """
    layout = _layout(content)
    if layout:
        raise DataError(
            f"{where}: MegaDetector's results ({layout}): boxes of a detector, not labels of people; "
            "give the data set that was labelled (Camtrap DP, COCO Camera Traps, a CSV of file,label)"
        )


def _layout(content: object) -> str:
    if isinstance(content, list):
        return "microsoft/MegaDetector's list of files" if _names(content, "detections") else ""
    if not isinstance(content, dict):
        return ""
    if "detection_categories" in content or _names(content.get("images"), "detections"):
        return "images and detections, format 1.x"
    return "annotations by img_id" if _names(content.get("annotations"), "img_id") else ""


def _names(entries: object, key: str) -> bool:
    """Whether it is a list whose first entry has that key."""
    return isinstance(entries, list) and bool(entries) and isinstance(entries[0], dict) and key in entries[0]
