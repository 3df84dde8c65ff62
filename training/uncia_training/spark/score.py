"""Scores an archive on Spark with the trap's own code in `mapInPandas`; can be resumed after each round.

Decides what is sent where: the bundle is broadcast once, each worker loads it and checks its probes, and the workers
read the pictures. The order of the results is the local engine's.
"""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec

from uncia_contract.archive.archive_scores import neighbour_thumbnails, score_sequence
from uncia_contract.archive.neighbours import with_neighbours
from uncia_contract.archive.scored_picture import ScoredPicture
from uncia_contract.archive.visits import Archive, ArchiveSequence, Place
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.model.bundle import bundle_from_bytes
from uncia_contract.model.classifier import Classifier
from uncia_contract.scoring.score_burst import Strips
from uncia_training.archive.score_results import picture_of_row, score_row, score_schema
from uncia_training.datasets.storage import system_of
from uncia_training.spark.rounds import Indexing, archive_rows, in_rounds, note_unlisted, sequence_of
from uncia_training.spark.session import ROUND


@functools.lru_cache(maxsize=1)
def _classifier(bundle: bytes) -> Classifier:
    """A worker's classifier; its probes are checked once."""
    classifier = Classifier(bundle_from_bytes(bundle))
    classifier.check_probes()
    return classifier


@dataclass(frozen=True)
class ScoreWork:
    """Turns batches of sequences into batches of scored pictures, on a worker."""

    bundle: Any
    place: Place
    strips: Strips | None
    zoned: bool

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yields rows of `score_schema`, with the sequence's key and each picture's index in it."""
        import pandas as pd

        classifier = _classifier(self.bundle.value)
        thumbnails = neighbour_thumbnails(self.place, classifier)
        for batch in batches:
            for key, text in zip(batch["key"], batch["sequence"], strict=True):
                sequence = sequence_of(text, ArchiveSequence)
                scored = score_sequence(sequence, self.place, classifier, self.strips, thumbnails)
                rows = [
                    {"key": key, "place": number, **score_row(one, self.zoned)} for number, one in enumerate(scored)
                ]
                yield pd.DataFrame(rows, columns=_staged_schema(self.zoned).fieldNames())


class SparkScorer:
    """Scores archives on Spark's workers with a bundle."""

    def __init__(self, session: Any, bundle: bytes, rule: BurstRule, name: str, strips: Strips | None) -> None:
        """`name` is the scorer's part of every sequence's key."""
        self._session, self._rule, self._name, self._strips = session, rule, name, strips
        self._bundle = session.sparkContext.broadcast(bundle)

    def run(
        self, archive: Archive, staged: str, out: str, progress: Callable[[int], None], round_size: int = ROUND
    ) -> int:
        """Scores the sequences that are not staged; the number of their pictures.

        Args:
            archive: the pictures to score.
            staged: folder or address of the scores so far.
            out: folder or address of the scores, Parquet; its files in order give the pictures in order.
            progress: called with the number of pictures that this run has scored.
            round_size: the number of sequences that are committed together.
        """
        from pyspark.sql import functions as f

        zoned = archive.zone is not None
        schema = _staged_schema(zoned)
        place, zone = archive.place, archive.zone
        indexing = Indexing(place, self._rule, self._name, msgspec.json.encode, zone, finish=with_neighbours)
        found, unlisted = archive_rows(self._session, archive, indexing)
        sequences = found.persist()
        work = ScoreWork(self._bundle, archive.place, self._strips, zoned)
        done = in_rounds(self._session, sequences, staged, work, schema, round_size, progress)
        numbers = sequences.select("key", "number")
        rows = self._session.read.schema(schema).parquet(staged).join(f.broadcast(numbers), "key")
        ordered = rows.orderBy("number", "place").select(*score_schema(zoned).names)
        ordered.write.mode("overwrite").parquet(out)
        sequences.unpersist()
        note_unlisted(archive, unlisted)
        return done


@dataclass(frozen=True)
class SparkScores:
    """The scored pictures in Spark's folder, in order; each iteration reads them again."""

    folder: str

    def __iter__(self) -> Iterator[ScoredPicture]:
        """Yields each picture."""
        import pyarrow.dataset as ds

        system, folder = system_of(self.folder)
        for part in sorted(ds.dataset(folder, filesystem=system, format="parquet").files):
            for batch in ds.dataset(part, filesystem=system, format="parquet").to_batches(batch_size=4096):
                yield from map(picture_of_row, batch.to_pylist())


def _staged_schema(zoned: bool) -> Any:
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema

    columns = pa.schema([("key", pa.string()), ("place", pa.int32()), *score_schema(zoned)])
    return from_arrow_schema(columns, prefer_timestamp_ntz=True)
