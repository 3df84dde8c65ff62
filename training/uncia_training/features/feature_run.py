"""Computes features on this machine: several threads decode and run the network, one thread stores and writes.

Only features that the store lacks are computed. A sequence whose files have not changed (size and modification time) is
not read again.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path

import msgspec
import numpy as np

from uncia_contract.archive.resume_log import SequenceLog
from uncia_contract.bursts.regions import RegionRule
from uncia_training.datasets.pictures import PictureFailure, require_readable
from uncia_training.features.feature_network import FeatureNetwork
from uncia_training.features.feature_rows import FeatureRow, Found, SequenceEntry, features_of, in_groups
from uncia_training.features.feature_store import FeatureStore
from uncia_training.features.feature_table import FeatureTable
from uncia_training.parallel import parallel_map

ROWS = 512  # rows of a row group: 2.6 MB with 1,280 features

Rows = tuple[FeatureRow, ...]


@dataclass
class FeatureCount:
    """The counts of a run."""

    pictures: int = 0
    rows: int = 0
    computed: int = 0
    failures: list[PictureFailure] = field(default_factory=list)

    def require_readable(self) -> None:
        """Check that there is a row with features.

        Raises:
            DataError: no picture can be read.
        """
        require_readable(self.rows - len(self.failures), self.failures)


class LocalFeatures:
    """Computes a network's features and keeps them in a store and a log."""

    def __init__(self, network: FeatureNetwork, rule: RegionRule | None, cache: Path, workers: int) -> None:
        """Open the store and the log in `cache`; `rule` is the region rule (None: whole pictures), `workers` threads.

        Raises:
            StorageError: the cache cannot be written, or another run uses it.
        """
        self._network, self._rule, self._workers = network, rule, workers
        self._extractor = network.extractor()
        folder = cache / "features" / self._extractor.name
        self._store = FeatureStore(folder / network.layer, *self._extractor.layers[network.layer])
        self._log: SequenceLog[Rows] = SequenceLog(folder / f"{network.layer}.jsonl", Rows)

    def close(self) -> None:
        """Close the store and the log, and release the lock."""
        self._store.close()
        self._log.close()

    def run(
        self, sequences: Iterable[SequenceEntry], out: Path, progress: Callable[[int], None] = lambda done: None
    ) -> FeatureCount:
        """Write the features of these sequences to a Parquet file; `progress` is called with the pictures done.

        Raises:
            DataError: no picture can be read; no file is written.
        """
        count, waiting = FeatureCount(), list[FeatureRow]()
        with FeatureTable(out) as table:
            for sequence, found in self._computed(sequences):
                waiting += self._keep(sequence, found, count)
                if len(waiting) >= ROWS:
                    self._write(table, waiting)
                    waiting = []
                count.pictures += len(sequence.pictures)
                progress(count.pictures)
            self._write(table, waiting)
            count.require_readable()
        return count

    def _computed(self, sequences: Iterable[SequenceEntry]) -> Iterator[tuple[SequenceEntry, list[Found] | None]]:
        """Each sequence with its rows; None if the log has them."""
        return chain.from_iterable(parallel_map(self._compute_new, in_groups(sequences), self._workers))

    def _compute_new(self, group: list[SequenceEntry]) -> list[tuple[SequenceEntry, list[Found] | None]]:
        new = [sequence for sequence in group if sequence.key not in self._log]
        found = dict(zip((one.key for one in new), self._compute(new), strict=True))
        return [(sequence, found.get(sequence.key)) for sequence in group]

    def _compute(self, group: list[SequenceEntry]) -> list[list[Found]]:
        return features_of(group, self._extractor, self._network.layer, self._rule, self._store.__contains__)

    def _keep(self, sequence: SequenceEntry, found: list[Found] | None, count: FeatureCount) -> Rows:
        """Put the values of a sequence into the store, and return its rows."""
        if found is None:
            kept = self._log.read(sequence.key)
            if all(row.failure is None and row.key in self._store for row in kept):
                return _numbered(kept, sequence, count)
            found = self._compute([sequence])[0]  # the store has lost rows, or a picture failed and is tried again
        for row, values in found:
            if values is not None:
                self._store.add(row.key, values)
                count.computed += 1
        rows = tuple(row for row, _ in found)
        if sequence.key not in self._log:
            self._log.add(sequence.key, rows)
        return _numbered(rows, sequence, count)

    def _write(self, table: FeatureTable, rows: list[FeatureRow]) -> None:
        keys = [row.key for row in rows if row.failure is None]
        values = self._store.rows(keys).load() if keys else np.empty((0, 0), np.float32)
        if rows:
            table.write(rows, values)


def _numbered(rows: Rows, sequence: SequenceEntry, count: FeatureCount) -> Rows:
    """The rows with the current numbers, names and labels, which may differ from those in the log."""
    first = rows[0].number if rows else 0
    places = [row.number - first for row in rows]
    renewed = tuple(
        msgspec.structs.replace(row, number=sequence.number + place, picture=sequence.pictures[place])
        for row, place in zip(rows, places, strict=True)
    )
    count.rows += len(renewed)
    count.failures += [PictureFailure(row.picture.file, row.failure) for row in renewed if row.failure is not None]
    return renewed
