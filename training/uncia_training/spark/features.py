"""Computes features on Spark with the local engine's own function in `mapInPandas`, from sequences to Parquet.

Decides what is sent where: the network is broadcast once; the workers read the pictures, by path or address.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import Any

import msgspec

from uncia_contract.archive.visits import Archive, ArchiveSequence
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_training.datasets.pictures import PictureFailure
from uncia_training.features.feature_network import FeatureNetwork
from uncia_training.features.feature_rows import WHOLE, Found, PictureEntry, SequenceEntry, features_of, in_groups
from uncia_training.features.feature_table import feature_columns, feature_schema
from uncia_training.spark.rounds import Indexing, archive_rows, given_rows, in_rounds, note_unlisted, sequence_of
from uncia_training.spark.session import ROUND

Entries = tuple[PictureEntry, ...]


@dataclass(frozen=True)
class FeatureWork:
    """Turns batches of sequences into batches of feature rows, on a worker."""

    network: Any
    rule: RegionRule | None

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Yields rows of `feature_schema`, with the sequence's key."""
        network: FeatureNetwork = self.network.value
        extractor = network.extractor()
        for batch in batches:
            # number 0 here, since `run` adds the current number when it reads the rows
            entries = [
                SequenceEntry(key, 0, sequence_of(text, Entries))
                for key, text in zip(batch["key"], batch["sequence"], strict=True)
            ]
            for group in in_groups(entries):
                yield _frame(group, features_of(group, extractor, network.layer, self.rule))


def _frame(group: list[SequenceEntry], found: list[list[Found]]) -> Any:
    import pandas as pd

    keys = [sequence.key for sequence, rows in zip(group, found, strict=True) for _ in rows]
    rows, values = zip(*chain.from_iterable(found), strict=True)
    return pd.DataFrame({"key": keys, **feature_columns(rows), "features": list(values)})


@dataclass(frozen=True)
class EntryEncoder:
    """Encodes an archive's sequence as JSON: its pictures with their paths."""

    root: str

    def __call__(self, found: ArchiveSequence) -> bytes:
        """The JSON of a sequence."""
        return msgspec.json.encode(
            [
                PictureEntry(name, f"{self.root}/{name}", sequence=found.names[0], location=found.trap)
                for name in found.names
            ]
        )


class SparkFeatures:
    """Computes features on Spark's workers with a network."""

    def __init__(self, session: Any, network: FeatureNetwork, rule: RegionRule | None, made_by: str) -> None:
        self._session, self._rule, self._made_by = session, rule, made_by
        self._network = session.sparkContext.broadcast(network)
        self._note: Callable[[], None] = lambda: None

    def of_archive(self, archive: Archive, root: str) -> Any:
        """The sequences of an archive, as a DataFrame of `SEQUENCES`."""
        indexing = Indexing(archive.place, BurstRule(), self._made_by, EntryEncoder(root), archive.zone)
        found, unlisted = archive_rows(self._session, archive, indexing)
        self._note = partial(note_unlisted, archive, unlisted)
        return found

    def of_data(self, sequences: Iterable[SequenceEntry]) -> Any:
        """The given sequences, as a DataFrame of `SEQUENCES`."""
        return given_rows(
            self._session,
            ((one.number, len(one.pictures), one.key, msgspec.json.encode(one.pictures)) for one in sequences),
        )

    def run(self, sequences: Any, out: str, progress: Callable[[int], None], round_size: int = ROUND) -> "Done":
        """Writes the features of these sequences to a folder of Parquet files.

        Args:
            sequences: the result of `of_archive` or `of_data`.
            out: folder or address; staged rows lie in `out` + `.staged`.
            progress: called with the number of pictures that this run has finished.
            round_size: the number of sequences that are committed together.

        Returns:
            The number of pictures that this run computed, the size of the results, and the pictures without a time.
        """
        from pyspark.sql import functions as f

        schema = _staged_schema()
        staged = f"{out}.staged"
        sequences = sequences.persist()
        work = FeatureWork(self._network, self._rule)
        done = in_rounds(self._session, sequences, staged, work, schema, round_size, progress)
        firsts = sequences.select("key", f.col("number").alias("first"))
        rows = self._session.read.schema(schema).parquet(staged).join(f.broadcast(firsts), "key")
        numbered = rows.withColumn("number", f.col("first") + f.col("number"))
        numbered.select(*feature_schema().names).write.mode("overwrite").parquet(out)
        untimed = [row[0] for row in sequences.select(f.explode("untimed")).collect()]
        sequences.unpersist()
        self._note()
        written = self._session.read.parquet(out)
        return Done(done, written.where(f.col("view") == WHOLE).count(), written.count(), untimed)

    def failures(self, out: str) -> list[PictureFailure]:
        """The pictures without features, with the reasons."""
        rows = self._session.read.parquet(out).where("failure is not null").select("file", "failure")
        return [PictureFailure(row["file"], row["failure"]) for row in rows.orderBy("file").collect()]


@dataclass(frozen=True)
class Done:
    """The result of a run: `computed` pictures of this run, all `pictures` and `rows`, and those without a time."""

    computed: int
    pictures: int
    rows: int
    untimed: list[str]


def _staged_schema() -> Any:
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(pa.schema([("key", pa.string()), *feature_schema()]))
