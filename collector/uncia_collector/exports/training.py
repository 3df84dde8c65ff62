"""Writes reviewed sequences as a CSV table for `uncia-train`.

Decides which frames are training examples:
#1 Of a confirmed sequence, the frames with a score of at least 0.5, and its best frame. The others may be empty.
#2 Of a rejected or relabelled sequence, every frame: the model was wrong about them, or could be.
#2a Of a sequence relabelled with another positive label of its bundle, the frames of #1.
#3 A frame with its own label (in an imported survey) is an example of that label.
"""

import csv
import os
from dataclasses import replace
from pathlib import Path
from typing import Any, TextIO

from sqlalchemy import Connection

from uncia_collector.exports.sequences import EVERYTHING, ExportedSequence, Selection, exported_sequences

COLUMNS = ("file", "label", "sequence", "location", "datetime", "source", "split")


def write_training_table(
    connection: Connection, stream: TextIO, root: Path, beside: Path, only: Selection = EVERYTHING
) -> int:
    """Write the table; return the number of frames in it.

    Args:
        connection: to the catalogue.
        stream: opened with `newline=""`.
        root: the data folder.
        beside: the folder in which the table will be stored: `file` is relative to it.
        only: which sequences; those that nobody reviewed are left out.
    """
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(COLUMNS)
    count = 0
    for item in exported_sequences(connection, only=replace(only, reviewed=True)):
        for frame in _teaching(item):
            file = os.path.relpath((root / frame.path).absolute(), beside.absolute())
            moment = item.taken_at(frame).isoformat()
            source = "test" if item.row.test else "review"
            sequence = f"{item.row.trap}:{item.row.id}"
            writer.writerow([file, item.labels.get(frame.n, item.label), sequence, item.location, moment, source, ""])
            count += 1
    return count


def _teaching(item: ExportedSequence) -> list[Any]:
    if item.row.review != "confirmed" and item.label not in (item.row.probabilities or ()):  # #2
        return item.frames
    sure = {item.row.best_frame, *item.labels}  # #1, #2a, #3
    return [frame for frame in item.frames if frame.n in sure or (frame.score or 0.0) >= 0.5]
