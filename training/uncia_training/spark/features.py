"""Features on Spark: the local engine's own function in `mapInPandas`, sequences in, Parquet out.

Decides what is sent where: the network is broadcast once, pictures are read by the workers, by path or address.
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
    """Batches of sequences to batches of feature rows, on a worker."""

    network: Any
    rule: RegionRule | None

    def __call__(self, batches: Iterator[Any]) -> Iterator[Any]:
        """Rows of `feature_schema`, with the sequence's key."""
        network: FeatureNetwork = self.network.value
        extractor = network.extractor()
        for batch in batches:
            # numbers may have moved when the rows are read
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
    """An archive's sequence as pictures with their paths, as JSON."""

    root: str

    def __call__(self, found: ArchiveSequence) -> bytes:
        """Of the sequence."""
        return msgspec.json.encode(
            [
                PictureEntry(name, f"{self.root}/{name}", sequence=found.names[0], location=found.trap)
                for name in found.names
            ]
        )


class SparkFeatures:
    """A network on Spark's workers."""

    def __init__(self, session: Any, network: FeatureNetwork, rule: RegionRule | None, made_by: str) -> None:
        self._session, self._rule, self._made_by = session, rule, made_by
        self._network = session.sparkContext.broadcast(network)
        self._note: Callable[[], None] = lambda: None

    def of_archive(self, archive: Archive, root: str) -> Any:
        """The sequences of an archive."""
        indexing = Indexing(archive.place, BurstRule(), self._made_by, EntryEncoder(root), archive.zone)
        found, unlisted = archive_rows(self._session, archive, indexing)
        self._note = partial(note_unlisted, archive, unlisted)
        return found

    def of_data(self, sequences: Iterable[SequenceEntry]) -> Any:
        """Sequences that the driver knows."""
        return given_rows(
            self._session,
            ((one.number, len(one.pictures), one.key, msgspec.json.encode(one.pictures)) for one in sequences),
        )

    def run(self, sequences: Any, out: str, progress: Callable[[int], None], round_size: int = ROUND) -> "Done":
        """Writes the features of these sequences to a folder of Parquet files.

        Args:
            sequences: of `of_archive` or `of_data`.
            out: folder or address; what is staged lies beside it.
            progress: told how many pictures this run has done.
            round_size: sequences that are committed together.

        Returns:
            How many pictures this run computed, what there is now, and which pictures tell no time.
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
        """The pictures without features, and why."""
        rows = self._session.read.parquet(out).where("failure is not null").select("file", "failure")
        return [PictureFailure(row["file"], row["failure"]) for row in rows.orderBy("file").collect()]


@dataclass(frozen=True)
class Done:
    """What a run did: pictures that it computed, and what the results hold by now."""

    computed: int
    pictures: int
    rows: int
    untimed: list[str]


def _staged_schema() -> Any:
    import pyarrow as pa
    from pyspark.sql.pandas.types import from_arrow_schema

    return from_arrow_schema(pa.schema([("key", pa.string()), *feature_schema()]))
