"""Writes the files from which every figure of a comparison can be computed (docs/outputs.md): `RUN/scores/*.csv`.

Decides their columns. Two tables describe the pictures and the sequences; two others have a line for each score that
enters a figure, with its system, deal and fold.
"""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncia_contract.files import storage_errors
from uncia_contract.pictures.picture_files import printable
from uncia_training.comparison.compare import Comparison, SystemScores
from uncia_training.comparison.figures import LabelledScores

FOLDER = "scores"
PICTURES = (
    *("picture", "file", "label", "class", "positive", "sequence", "unit"),
    *("source", "location", "light", "split", "never_learnt"),
)
SEQUENCES = ("sequence", "name", "source", "location", "positive", "pictures", "unit", "never_learnt")
PICTURE_SCORES = ("system", "deal", "fold", "picture", "score", "alone")
SEQUENCE_SCORES = ("system", "deal", "fold", "sequence", "score")
Row = Iterable[object]


def write_scores(out: Path, comparison: Comparison) -> None:
    """Writes the four tables into `out/scores`.

    Raises:
        StorageError: they cannot be written.
    """
    folder = out / FOLDER
    named = dict(_named(comparison))
    positive = comparison.settings.positive
    labels = [f"score_{label}" for label in positive] if len(positive) > 1 else []
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        _write(folder / "pictures.csv", PICTURES, _pictures(comparison))
        _write(folder / "sequences.csv", SEQUENCES, _sequences(comparison))
        _write(folder / "picture_scores.csv", (*PICTURE_SCORES, *labels), _picture_scores(named, bool(labels)))
        _write(folder / "sequence_scores.csv", SEQUENCE_SCORES, _sequence_scores(named, comparison))


def _write(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        table.writerows([printable(cell) if isinstance(cell, str) else cell for cell in row] for row in rows)


def _named(comparison: Comparison) -> Iterator[tuple[str, SystemScores]]:
    """Every set of scores with figures in the report, with its name."""
    for one in comparison.results:
        yield one.system.name, one.own
        if one.on_trap is not None:
            yield f"{one.system.name}, int8", one.on_trap
        if one.random is not None:
            yield f"{one.system.name}, random split", one.random


def _pictures(comparison: Comparison) -> Iterator[Row]:
    seen = comparison.inspection
    for number, picture in enumerate(seen.pictures):
        label, sequence = int(comparison.labels[number]), int(comparison.sequences[number])
        known = (picture.source, picture.location, seen.lights[number], picture.split, _truth(picture.never_learnt))
        unit = comparison.units[number]
        yield number, picture.file, picture.label, label, _truth(label > 0), sequence, unit, *known


def _sequences(comparison: Comparison) -> Iterator[Row]:
    firsts, counts = np.unique(comparison.sequences, return_index=True, return_counts=True)[1:]
    for number, (first, count) in enumerate(zip(firsts.tolist(), counts.tolist(), strict=True)):
        picture = comparison.inspection.pictures[first]
        positive, never = comparison.truth[number], comparison.unseen_sequences[number]
        known = (picture.sequence or picture.file, picture.source, picture.location)
        yield number, *known, _truth(positive), count, comparison.units[first], _truth(never)


def _truth(value: object) -> str:
    return "true" if value else "false"


def _picture_scores(named: dict[str, SystemScores], by_label: bool) -> Iterator[Row]:
    for system, scores in named.items():
        for deal, fold, scored, chosen in _scored(scores):
            columns = [scored.scores, scored.alone, *(scored.probabilities.T[1:] if by_label else ())]
            for number in chosen.tolist():
                yield system, deal, fold, number, *(float(column[number]) for column in columns)


def _sequence_scores(named: dict[str, SystemScores], comparison: Comparison) -> Iterator[Row]:
    """The rows of sequences; a sequence belongs to the fold of its first picture."""
    firsts = np.unique(comparison.sequences, return_index=True)[1]
    unseen = np.flatnonzero(comparison.unseen_sequences)
    for system, scores in named.items():
        for deal, fold, scored, chosen in _scored(scores):
            own = np.setdiff1d(np.flatnonzero(np.isin(firsts, chosen)), unseen)
            for number in np.union1d(own, unseen).tolist():
                yield system, deal, fold, number, float(scored.sequence_scores[number])


def _scored(scores: SystemScores) -> Iterator[tuple[int, int, LabelledScores, NDArray[np.intp]]]:
    """Each fit's deal and fold, counted from 1, its scores, and the numbers of the pictures that it scored.

    Every fit scores the pictures of split `test` and `tune`.
    """
    fits = len(scores.singly) // len(scores.repeats)
    for number, scored in enumerate(scores.singly):
        deal, fold = divmod(number, fits)
        held_out = scores.folds[deal]
        yield deal + 1, fold + 1, scored, np.flatnonzero((held_out == fold) | (held_out < 0))
