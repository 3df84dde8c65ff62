"""Applies a function to sequences on Spark's workers, round by round, so that a stopped job can be resumed.

Decides the row of a sequence (`number`, `key`, the sequence as JSON, and its pictures without a time), where results
are staged (Parquet, appended round by round, each row with its sequence's key), and what a run skips: sequences whose
key is staged. One task writes all rows of a sequence into one file: after a kill all of them are there, or none. A
task's sequences follow each other in the archive, because neighbours use the same pictures for their backgrounds.
"""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import tzinfo
from functools import partial
from typing import Any

import msgspec

from uncia_contract.archive.visits import Archive, ArchiveSequence, PictureFile, Place, sequences_of
from uncia_contract.bursts.frames import BurstRule

TASKS_A_CORE = 4
POLL_S = 0.2
SEQUENCES = "number bigint, pictures int, key string, sequence string, untimed array<string>"

Progress = Callable[[int], None]
Work = Callable[[Iterator[Any]], Iterator[Any]]


@dataclass(frozen=True)
class Indexing:
    """Finds an archive's sequences; sent to the workers.

    `encode` turns a sequence into JSON. `zone` is used for times without one. `unlisted` is an accumulator of the
    folders that a worker could not list, with the reasons. `finish` gets all sequences of a trap and can add to each
    one what it needs of its neighbours.
    """

    place: Place
    rule: BurstRule
    made_by: str
    encode: Callable[[ArchiveSequence], bytes]
    zone: tzinfo | None
    unlisted: Any = None
    finish: Callable[[list[ArchiveSequence]], list[ArchiveSequence]] = list

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yields rows of sequences for rows of traps."""
        import pandas as pd

        for batch in batches:
            for trap, folders, number in zip(batch["trap"], batch["folders"], batch["number"], strict=True):
                rows = list(self._rows(trap, json.loads(folders), int(number)))
                yield pd.DataFrame(rows, columns=["number", "pictures", "key", "sequence", "untimed"])

    def _rows(self, trap: str, folders: list[str], number: int) -> Iterator[tuple[int, int, str, str, list[str]]]:
        files = [file for folder in folders for file in self._files(folder)]
        for found in self.finish(sequences_of(self.place, files, self.rule, self.made_by, trap, self.zone)):
            yield number, len(found.names), found.key, self.encode(found).decode(), found.untimed
            number += len(found.names)

    def _files(self, folder: str) -> list[PictureFile]:
        try:
            return self.place.files(folder)
        except OSError as error:
            self.unlisted.add(frozenset({(folder, error.strerror or str(error))}))
            return []


class Sets:
    """Lets a Spark accumulator unite sets."""

    def zero(self, value: frozenset[Any]) -> frozenset[Any]:
        """The empty set."""
        return frozenset()

    def addInPlace(self, one: frozenset[Any], other: frozenset[Any]) -> frozenset[Any]:  # noqa: N802 - Spark's name
        """The union of both."""
        return one | other


def archive_rows(session: Any, archive: Archive, indexing: Indexing) -> tuple[Any, Any]:
    """An archive's sequences as a DataFrame of `SEQUENCES`, and the accumulator for `note_unlisted`.

    The workers read the headers of the pictures, trap by trap.
    """
    rows, number = [], 0
    for trap in archive.traps:
        counts = {folder: len(archive.files_in(folder)) for folder in archive.folders(trap)}
        rows.append((trap, json.dumps([folder for folder in counts if counts[folder]]), number))
        number += sum(counts.values())
    traps = session.createDataFrame(rows, "trap string, folders string, number bigint").repartition(len(rows), "trap")
    unlisted = session.sparkContext.accumulator(frozenset(), Sets())
    return traps.mapInPandas(replace(indexing, unlisted=unlisted), SEQUENCES), unlisted


def note_unlisted(archive: Archive, unlisted: Any) -> None:
    """Notes in the archive the folders that a worker could not list."""
    for folder, reason in sorted(unlisted.value):
        archive.note(folder, OSError(reason))


def given_rows(session: Any, sequences: Iterable[tuple[int, int, str, bytes]]) -> Any:
    """The given sequences (number, pictures, key, JSON) as a DataFrame of `SEQUENCES`.

    The key in it also depends on the JSON, such as its labels.
    """
    rows: list[tuple[int, int, str, str, list[str]]] = [
        (number, pictures, hashlib.sha256(key.encode() + content).hexdigest()[:32], content.decode(), [])
        for number, pictures, key, content in sequences
    ]
    return session.createDataFrame(rows, SEQUENCES)


def in_rounds(
    session: Any, sequences: Any, staged: str, work: Work, schema: str | Any, round_size: int, progress: Progress
) -> int:
    """Runs the sequences that are not staged yet; the number of their pictures.

    Args:
        session: the Spark session.
        sequences: a DataFrame of `SEQUENCES`.
        staged: folder or address of the results.
        work: turns batches of sequences into batches of rows of `schema`, each with its sequence's `key`.
        schema: the schema of the staged rows.
        round_size: the number of sequences that are committed together.
        progress: called with the number of pictures that this run has finished.
    """
    from pyspark.sql import functions as f

    pending = sequences.join(staged_keys(session, staged, schema), "key", "left_anti").persist()
    numbers = (f.coalesce(most("number"), f.lit(0)) for most in (f.min, f.max))
    count, total, first, last = pending.agg(f.count("*"), f.coalesce(f.sum("pictures"), f.lit(0)), *numbers).first()
    rounds = -(-count // round_size)
    its_round = f.floor((f.col("number") - first) * rounds / (last - first + 1))
    done = session.sparkContext.accumulator(0)
    tasks = TASKS_A_CORE * session.sparkContext.defaultParallelism
    for number in range(rounds):
        part = pending.where(its_round == number).repartitionByRange(tasks, "number").sortWithinPartitions("number")
        rows = part.mapInPandas(Counted(work, done), schema)
        _watched(partial(_append, rows, staged), lambda: progress(done.value))
    pending.unpersist()
    progress(int(total))
    return int(total)


def staged_keys(session: Any, staged: str, schema: str | Any) -> Any:
    """The keys of the staged sequences, as a DataFrame; empty if nothing is staged."""
    try:
        return session.read.parquet(staged).select("key").distinct()
    except Exception as error:
        from pyspark.errors import AnalysisException

        if not isinstance(error, AnalysisException):
            raise
        return session.createDataFrame([], schema).select("key")


@dataclass(frozen=True)
class Counted:
    """Work that adds the number of finished pictures to an accumulator."""

    work: Work
    done: Any

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yields the rows of the work."""
        for batch in batches:
            yield from self.work(iter([batch]))
            self.done.add(int(batch["pictures"].sum()))


def sequence_of(text: str, kind: Any) -> Any:
    """The sequence from the JSON in its row."""
    return msgspec.json.decode(text, type=kind)


def _append(rows: Any, staged: str) -> None:
    rows.write.mode("append").parquet(staged)


def _watched(job: Callable[[], Any], look: Callable[[], None]) -> None:
    """Runs a job in another thread, so that this one can report progress and can be interrupted."""
    from pyspark import InheritableThread

    failures: list[BaseException] = []

    def run() -> None:
        try:
            job()
        except BaseException as error:  # noqa: BLE001 - raised again below
            failures.append(error)

    thread = InheritableThread(target=run, daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(POLL_S)
        look()
    if failures:
        raise failures[0]
