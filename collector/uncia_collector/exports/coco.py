"""Writes COCO Camera Traps JSON (LILA's format): images in sequences, with labels of whole sequences.

An image has a label of its own if an imported survey gave it one. A sequence with several observations has several
annotations for each image, with `count` if people counted. Category 0 is `empty`. "Not the animal" is a category of
its own (`not_snow_leopard`). `datetime` states its offset from UTC, which the format does not define. A picture of a
test sighting has `test` (true), which is our own field.
"""

import json
from collections.abc import Iterator
from datetime import UTC
from typing import Any, TextIO

from sqlalchemy import Connection

from uncia_collector.exports.sequences import (
    EMPTY_LABELS,
    EVERYTHING,
    ExportedSequence,
    Selection,
    exported_sequences,
    media_id,
)
from uncia_contract.archive.json_array import write_json_array


def write_coco_camera_traps(connection: Connection, stream: TextIO, station: str, only: Selection = EVERYTHING) -> None:
    """Write the file, in bounded memory: one pass over the catalogue for the images, one for the annotations.

    `file_name` is relative to the data folder; `location` is a location id. Coordinates are left out.
    """
    categories = {"empty": 0}
    info = {"version": "1.0", "description": station, "contributor": station}
    stream.write('{"info": ' + json.dumps(info) + ', "images": ')
    found = exported_sequences(connection, only=only)
    write_json_array(stream, (_image(item, frame) for item in found for frame in item.frames))
    stream.write(', "annotations": ')
    write_json_array(stream, _annotations(connection, categories, only))
    named = [{"id": number, "name": name} for name, number in categories.items()]
    stream.write(', "categories": ' + json.dumps(named) + "}\n")


def _annotations(connection: Connection, categories: dict[str, int], only: Selection) -> Iterator[dict[str, Any]]:
    for item in exported_sequences(connection, only=only):
        for frame in item.frames:
            known, alone = media_id(frame), item.labels.get(frame.n)
            for number, (label, count) in enumerate(item.shown if alone is None else [(alone, None)]):
                name = "empty" if label in EMPTY_LABELS else label
                yield {
                    "id": f"a:{known}" + (f":{number}" if number else ""), "image_id": known,
                    "category_id": categories.setdefault(name, len(categories)),
                    "sequence_level_annotation": alone is None,
                } | ({} if count is None else {"count": count})  # fmt: skip


def _image(item: ExportedSequence, frame: Any) -> dict[str, Any]:
    image = {
        "id": media_id(frame),
        "file_name": frame.path,
        "datetime": f"{item.taken_at(frame).astimezone(UTC):%Y-%m-%d %H:%M:%S}+00:00",
        "seq_id": f"{frame.trap}:{frame.sequence}",
        "seq_num_frames": item.row.frames,
        "frame_num": frame.n,
        "location": item.location,
        "corrupt": False,
    }
    image |= {"test": True} if item.row.test else {}
    return image | ({"width": frame.width, "height": frame.height} if frame.width else {})
