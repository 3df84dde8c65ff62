"""Writes MegaDetector's batch output format 1.6 (https://lila.science/megadetector-output-format).

Decides how scores are written in this format: each scored picture has one `animal` detection. Its box is the region
that was scored (the whole picture where there is none); its confidence and first classification are the label's
probability.
#1 A picture that was not scored because of early exit has no detections: its sequence could not become positive.
#2 A picture that could not be read has `failure` and null detections.
#3 `info.pictures` holds the counts of the pictures, where they are known.
#4 A damaged picture that was scored has an extra field, `damaged`.
#5 With several positive labels, the confidence is the picture's probability of all of them together; the
classifications are each label's mean over the sequence.
#6 A picture of a test sighting has an extra field, `test`.
"""

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, TextIO

from uncia_contract.archive.json_array import write_json_array
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.pictures.picture_sum import PictureSum

FORMAT_VERSION = "1.6"
DETECTION_CATEGORIES = {"1": "animal", "2": "person", "3": "vehicle"}
OTHER = "other"
WHOLE = (0.0, 0.0, 1.0, 1.0)


def megadetector_results(
    pictures: Iterable[ScoredPicture],
    detector: str,
    completed_at: datetime,
    threshold: float = 0.5,
    summed: PictureSum | None = None,
) -> dict[str, Any]:
    """The file's content, ready for `json.dump`.

    Args:
        pictures: the pictures, in the order of the list.
        detector: the bundle's name, such as `snow-leopard-starter-2`.
        completed_at: when the scoring ended.
        threshold: the bundle's threshold, in [0, 1].
        summed: the counts of these pictures (#3).
    """
    numbers: dict[str, str] = {OTHER: "0"}
    images = [_image(picture, numbers) for picture in pictures]
    return _head(detector, completed_at, threshold, summed) | {
        "classification_categories": {number: label for label, number in numbers.items()},
        "images": images,
    }


def write_megadetector(
    stream: TextIO,
    pictures: Iterable[ScoredPicture],
    detector: str,
    completed_at: datetime,
    threshold: float = 0.5,
    summed: PictureSum | None = None,
) -> int:
    """Write the same content picture by picture, without a list in memory, and return the number of pictures."""
    numbers: dict[str, str] = {OTHER: "0"}
    stream.write("{\n")
    for name, value in _head(detector, completed_at, threshold, summed).items():
        lines = json.dumps(value, indent=1).replace("\n", "\n ")  # safe: JSON escapes line ends within strings
        stream.write(f' "{name}": {lines},\n')
    stream.write(' "images": ')
    count = write_json_array(stream, (_image(picture, numbers) for picture in pictures), indent=1)
    categories = json.dumps({number: label for label, number in numbers.items()})
    stream.write(f',\n "classification_categories": {categories}\n}}\n')
    return count


def _head(detector: str, completed_at: datetime, threshold: float, summed: PictureSum | None) -> dict[str, Any]:
    at = f"{completed_at.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
    return {
        "info": {
            "format_version": FORMAT_VERSION,
            "detector": detector,
            "detection_completion_time": at,
            "classifier": detector,
            "classification_completion_time": at,
            "detector_metadata": {
                "megadetector_version": "unknown",
                "typical_detection_threshold": threshold,
                "conservative_detection_threshold": threshold / 2,
            },
            **({"pictures": summed.as_json()} if summed else {}),  # #3
        },
        "detection_categories": DETECTION_CATEGORIES,
    }


def _image(picture: ScoredPicture, numbers: dict[str, str]) -> dict[str, Any]:
    if picture.failure is not None:  # #2
        return {"file": picture.file, "failure": picture.failure, "detections": None}
    image: dict[str, Any] = {"file": picture.file, "detections": []}
    if picture.taken_at is not None:
        image["datetime"] = picture.taken_at.isoformat()
    if picture.damaged is not None:  # #4
        image["damaged"] = picture.damaged
    if picture.test:  # #6
        image["test"] = True
    if picture.score is not None:  # else #1
        image["detections"].append(_detection(picture, float(picture.score), numbers))
    return image


def _detection(picture: ScoredPicture, score: float, numbers: dict[str, str]) -> dict[str, Any]:
    of_each = picture.probabilities or {picture.label or "positive": score}  # #5
    known = {numbers.setdefault(label, str(len(numbers))): one for label, one in of_each.items()}
    pairs = [*known.items(), ("0", max(0.0, 1.0 - sum(known.values())))]
    classes = [[number, round(one, 6)] for number, one in sorted(pairs, key=lambda pair: -round(pair[1], 6))]
    box = [round(part, 6) for part in picture.region or WHOLE]
    return {"category": "1", "conf": round(score, 6), "bbox": box, "classifications": classes}
