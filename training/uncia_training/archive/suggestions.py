"""Writes the sequences of a scored archive that should be labelled as a CSV, with an empty label for each picture.

Decides the columns of the CSV, and which features are compared: those of a candidate's highest-scored region, and of a
labelled sequence's middle picture. Labels that a person has entered are never overwritten.
"""

import csv
import io
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.errors import DataError, FrameError
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.pictures.picture_files import printable
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_training.archive.suggestion_choice import Candidate, Features, candidates, suggested
from uncia_training.parallel import PerThread, parallel_map

SUGGESTIONS = "suggestions.csv"
COLUMNS = ("file", "label", "sequence", "location", "datetime", "split", "confidence", "score")
KNOWN = 2000  # the most labelled sequences, one picture each, that candidates are compared with

Part = tuple[Path, Region | None]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Suggestions:
    """Suggests `wanted` sequences of the archive in a folder; `known` are the labelled pictures."""

    archive: Path
    bundle: Bundle
    wanted: int
    known: Sequence[LabelledPicture]
    progress: Progress

    def write(self, out: Path, pictures: Iterable[ScoredPicture]) -> str:
        """Writes the CSV into `out`; the line to print about it."""
        labelled = {path(one.path) for one in self.known for path in (os.path.abspath, os.path.realpath)}
        found = candidates(pictures, self.wanted, lambda file: str(self.archive / file) in labelled)
        own = self._features([(self.archive / one.file, one.region) for one in found], "features")
        known = self._features([(burst[len(burst) // 2].path, None) for burst in self._known()], "known features")
        read = [number for number, row in enumerate(own) if row is not None]
        chosen = suggested([found[number] for number in read], _stacked(own), _stacked(known), self.wanted)
        rows = write_suggestions(out / SUGGESTIONS, self.archive, chosen, pictures)
        return f"{out / SUGGESTIONS}: {len(chosen)} sequences ({rows} pictures) to label"

    def _known(self) -> list[list[LabelledPicture]]:
        bursts = sequences(self.known)
        return [bursts[int(number)] for number in np.linspace(0, len(bursts) - 1, min(KNOWN, len(bursts)))]

    def _features(self, parts: Sequence[Part], step: str) -> list[Features | None]:
        """The features of each picture's part; None for a picture that cannot be read."""
        classifier = PerThread(lambda: Classifier(self.bundle))

        def work(part: Part) -> Features | None:
            try:
                return classifier().features(
                    model_input(read_as_jpeg(part[0]), self.bundle.manifest.input_size, part[1])
                )
            except FrameError:
                return None

        told, rows = partial(self.progress, step), list[Features | None]()
        for row in parallel_map(work, parts, len(os.sched_getaffinity(0))):
            rows.append(row)
            told(len(rows), len(parts))
        return rows


def check_unlabelled(path: Path) -> None:
    """Checks that writing suggestions to this file would lose no labels.

    Raises:
        DataError: the file exists, and was edited or cannot be read.
    """
    if not path.exists():
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as text:
            rows = csv.DictReader(text)
            touched = tuple(rows.fieldnames or ()) != COLUMNS or any(row["label"] for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read ({error}); move it, or give another --out") from error
    if touched:
        raise DataError(f"{path}: was edited, and its labels would be lost; move it, or give another --out")


def write_suggestions(path: Path, archive: Path, chosen: Sequence[Candidate], pictures: Iterable[ScoredPicture]) -> int:
    """Writes a row for each picture of these sequences, in the order of the suggestions; the number of rows.

    Files have their full path, so the CSV can lie anywhere. Pictures that failed are left out.
    """
    rank = {one.sequence: number for number, one in enumerate(chosen)}
    rows: list[list[ScoredPicture]] = [[] for _ in chosen]
    for picture in pictures:
        if picture.sequence in rank and picture.failure is None:
            rows[rank[picture.sequence]].append(picture)
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    writer.writerows(_row(archive, picture) for sequence in rows for picture in sequence)
    with storage_errors(path):
        write_atomic(path, text.getvalue().encode())
    return sum(map(len, rows))


def _row(archive: Path, picture: ScoredPicture) -> list[object]:
    taken_at = "" if picture.taken_at is None else picture.taken_at.isoformat()
    names = [printable(str(archive / picture.file)), "", picture.sequence, picture.trap, taken_at, ""]
    return [*names, picture.confidence, picture.score]


def _stacked(rows: Iterable[Features | None]) -> Features:
    """The rows of pictures that could be read, (pictures, features)."""
    read = [row for row in rows if row is not None]
    return np.stack(read) if read else np.zeros((0, 1), np.float32)
