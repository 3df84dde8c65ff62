"""Writes COCO Camera Traps JSON (LILA's format): images in sequences, labels said of whole sequences.

Category 0 is `empty`. A label that only means "not the animal" is a category of its own (`not_snow_leopard`).
"""

from typing import Any

from sqlalchemy import Connection

from uncia_collector.exports.gathered import EMPTY_LABELS, Gathered, gather


def coco_camera_traps(connection: Connection, station: str, exact: bool = False) -> dict[str, Any]:
    """The file's content; `file_name` is relative to the data folder."""
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    categories = {"empty": 0}
    for item in gather(connection, exact):
        label = "empty" if item.label in EMPTY_LABELS else item.label
        number = categories.setdefault(label, len(categories))
        for frame in item.frames:
            images.append(_image(item, frame))
            annotations.append(
                {
                    "id": f"a:{images[-1]['id']}",
                    "image_id": images[-1]["id"],
                    "category_id": number,
                    "sequence_level_annotation": True,
                }
            )
    return {
        "info": {"version": "1.0", "description": station, "contributor": station},
        "images": images,
        "categories": [{"id": number, "name": name} for name, number in categories.items()],
        "annotations": annotations,
    }


def _image(item: Gathered, frame: Any) -> dict[str, Any]:
    image = {
        "id": f"{frame.trap}:{frame.sequence}:{frame.n}",
        "file_name": frame.path,
        "datetime": f"{frame.taken_at or item.row.started_at:%Y-%m-%d %H:%M:%S}",
        "seq_id": f"{frame.trap}:{frame.sequence}",
        "seq_num_frames": item.row.frames,
        "frame_num": frame.n,
        "location": item.row.trap if item.place is None else item.place.location_id,
        "corrupt": False,
    }
    return image | ({"width": frame.width, "height": frame.height} if frame.width else {})
