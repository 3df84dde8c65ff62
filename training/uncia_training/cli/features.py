"""`uncia-train features`: its arguments, its output, and the file that it writes."""

import argparse
import os
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.archive.visits import Archive
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.cli.arguments import whole
from uncia_contract.errors import DataError
from uncia_contract.pictures.jpeg import is_unreadable
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_training.cli.data_set import DATA_HELP, add_reading, print_sum, read_data_set
from uncia_training.cli.progress import ReportProgress, interrupted, progress_bars
from uncia_training.datasets.storage import archive_at, is_address
from uncia_training.features.feature_network import FeatureNetwork, network_of_backbone, network_of_bundle
from uncia_training.features.feature_rows import SequenceEntry, archive_entries, dataset_entries
from uncia_training.features.feature_run import FeatureCount, LocalFeatures
from uncia_training.spark.session import add_spark


def add_features(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    pictures = command.add_mutually_exclusive_group(required=True)
    pictures.add_argument("--data", type=Path, metavar="PATH", help=DATA_HELP)
    pictures.add_argument("--archive", metavar="DIR", help="all pictures below a folder, without labels")
    network = command.add_mutually_exclusive_group(required=True)
    network.add_argument("--backbone-dir", type=Path, metavar="DIR", help="folder of uncia-convert backbone")
    network.add_argument("--bundle", type=Path, metavar="FILE", help="use the bundle's network")
    add("--positive", action="append", metavar="LABEL", help="has precedence if a picture has several; repeatable")
    add_reading(command)
    add("--precision", choices=("int8", "float"), default="int8", help="which network of the backbone folder (int8)")
    add("--layer", choices=("pooled", "map"), default="pooled", help="layer of the float network (pooled)")
    add("--whole", action="store_true", help="whole pictures only, no regions of bursts")
    add("--engine", choices=("local", "spark"), default="local", help="threads of this process, or Spark (local)")
    add("--out", required=True, metavar="PARQUET", help="file to write")
    add("--cache", type=Path, metavar="DIR", help="folder in which features are kept (cache, beside --out)")
    add("--workers", type=whole(1), metavar="N", help="number of threads (one per core)")
    add_spark(command)
    command.set_defaults(run=run_features)


def run_features(arguments: argparse.Namespace) -> int:
    """Compute the features, write them, print the counts, and return the exit code."""
    _check(arguments)
    network = network_for(arguments)
    engine = _local if arguments.engine == "local" else _spark
    try:
        with progress_bars() as progress:
            return engine(arguments, network, progress)
    except KeyboardInterrupt:
        return interrupted("the features computed so far are kept")


def _check(arguments: argparse.Namespace) -> None:
    if arguments.archive is not None and arguments.positive:
        raise DataError("--positive: the pictures of an archive have no labels; give --data")
    if arguments.boxes is not None and (arguments.archive is not None or arguments.whole):
        raise DataError("--boxes: boxes are regions of a data set's pictures; give --data, and not --whole")


@dataclass
class Found:
    """The pictures to compute: their number, their sequences, and the archive if they are of one.

    `notes` has the pictures of an archive without a usable time, once its sequences are read.
    """

    pictures: int
    sequences: Iterator[SequenceEntry]
    notes: PictureNotes
    archive: Archive | None = None


def _local(arguments: argparse.Namespace, network: FeatureNetwork, progress: ReportProgress) -> int:
    begun = time.monotonic()
    workers = arguments.workers or len(os.sched_getaffinity(0))
    found = _found(arguments, made_by(arguments, network), workers)
    if is_address(arguments.out):
        raise DataError(f"--out {arguments.out}: only --engine spark writes to an address; give a file")
    out = Path(arguments.out)
    features = LocalFeatures(network, _rule(arguments), arguments.cache or out.parent / "cache", workers)
    try:
        count = features.run(found.sequences, out, lambda done: progress("pictures", done, found.pictures))
    finally:
        features.close()
    return _print(count, found, time.monotonic() - begun, arguments.out)


def _spark(arguments: argparse.Namespace, network: FeatureNetwork, progress: ReportProgress) -> int:
    from uncia_training.spark.features import SparkFeatures
    from uncia_training.spark.session import spark

    begun = time.monotonic()
    made = made_by(arguments, network)
    with spark(arguments.master) as session:
        engine = SparkFeatures(session, network, _rule(arguments), made)
        found = _found(arguments, made, 1)
        if found.archive is not None:
            sequences = engine.of_archive(found.archive, arguments.archive.rstrip("/"))
        else:
            sequences = engine.of_data(found.sequences)
        told = lambda done: progress("pictures", done, found.pictures)  # noqa: E731
        done = engine.run(sequences, arguments.out, told, arguments.round)
        failures = engine.failures(arguments.out)
    found.notes.untimed.update(done.untimed)
    count = FeatureCount(pictures=done.pictures, rows=done.rows, computed=done.computed, failures=failures)
    count.require_readable()
    return _print(count, found, time.monotonic() - begun, arguments.out)


def network_for(arguments: argparse.Namespace) -> FeatureNetwork:
    """The network that the arguments name.

    Raises:
        DataError: precision or layer does not fit the network.
    """
    if arguments.precision == "int8" and arguments.layer != "pooled":
        raise DataError(f"--layer {arguments.layer}: the int8 network gives pooled features; add --precision float")
    if arguments.bundle is None:
        return network_of_backbone(arguments.backbone_dir, arguments.precision, arguments.layer)
    if arguments.precision == "float":
        raise DataError("--precision float: a bundle holds the int8 network alone; give --backbone-dir")
    return network_of_bundle(arguments.bundle)


def _rule(arguments: argparse.Namespace) -> RegionRule | None:
    """The region rule; None for whole pictures."""
    return None if arguments.whole else RegionRule()


def made_by(arguments: argparse.Namespace, network: FeatureNetwork) -> str:
    """A text that identifies network, layer and region rule, for the keys of features."""
    return f"{network.extractor().name} {network.layer} {_rule(arguments)}"


def _found(arguments: argparse.Namespace, made: str, workers: int) -> Found:
    from uncia_contract.datasets.positive_labels import positive_labels

    if arguments.archive is not None:
        archive = archive_at(arguments.archive, arguments.utc_offset)
        root = arguments.archive.rstrip("/")
        sequences = archive_entries(archive, root, made, BurstRule(), workers, archive.notes.untimed.add)
        return Found(archive.pictures, sequences, archive.notes, archive)
    positive = positive_labels(arguments.positive or ())
    notes = PictureNotes()
    pictures = read_data_set(arguments, positive, notes)
    return Found(len(pictures), dataset_entries(pictures, made), notes)


def _print(count: FeatureCount, found: Found, seconds: float, out: str) -> int:
    for failure in count.failures:
        print(f"{failure.file}: {failure.reason}; no features", file=sys.stderr)
    print(
        f"{count.rows} rows of {count.pictures} pictures, {len(count.failures)} unreadable; {count.computed} computed "
        f"now in {seconds:.1f} s, {count.pictures / seconds:.1f} pictures/s"
    )
    print(f"  {out}")
    code = print_sum(found.notes.sum_of(count.pictures, (failure.file for failure in count.failures)), found.notes)
    unread = found.archive is not None and any(is_unreadable(failure.reason) for failure in count.failures)
    return 1 if unread else code
