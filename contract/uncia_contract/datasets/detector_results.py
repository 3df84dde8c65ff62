"""Recognises MegaDetector's JSON, so that a detector's results are not read as a labelled data set.

Layouts: that of agentmorris/MegaDetector (lila.science/megadetector-output-format, 1.x), which `score` also writes; the
list of files of microsoft/MegaDetector; the annotations by img_id of its PytorchWildlife.
"""

from contextlib import suppress
from pathlib import Path

import msgspec

from uncia_contract.errors import UNDECODABLE, DataError


def refuse_detector_file(path: Path) -> None:
    """Refuse a file with a detector's results; do nothing if it holds something else or cannot be read.

    Raises:
        DataError: see `refuse_detector_results`.
    """
    with suppress(OSError, *UNDECODABLE):
        refuse_detector_results(str(path), msgspec.json.decode(path.read_bytes()))


def refuse_detector_results(where: str, content: object) -> None:
    """Refuse a detector's results; do nothing for other content.

    Args:
        where: the file, for the message.
        content: the decoded JSON.

    Raises:
        DataError: the content is a detector's boxes and confidences, not labels that people gave.
    """
    layout = _layout(content)
    if layout:
        raise DataError(
            f"{where}: MegaDetector's results ({layout}): boxes from a detector, not labels from people; "
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
