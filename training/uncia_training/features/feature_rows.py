"""Computes the rows of features of a sequence's pictures; all engines call this code.

Each picture has a row for the whole frame, and one for its region if the trap's rule finds one. A picture that cannot
be read has a row with its failure and no features.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from uncia_contract.archive.visits import Archive, sequence_key
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.pictures.jpeg import Size
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_training.datasets.storage import known_of, read_at
from uncia_training.features.burst_pass import look_at
from uncia_training.features.extract import Extractor, row_key

WHOLE, REGION = "whole", "region"
GROUP = 16  # about so many pictures are decoded before their forward passes begin


class PictureEntry(msgspec.Struct, frozen=True):
    """A picture's path or address, and its fields in the data set."""

    file: str
    path: str
    label: str = ""
    sequence: str = ""
    location: str = ""
    source: str = ""
    split: str = ""
    box: Region | None = None


class SequenceEntry(msgspec.Struct, frozen=True):
    """A sequence of pictures; `number` is the first picture's number in the data set, `key` identifies the sequence."""

    key: str
    number: int
    pictures: tuple[PictureEntry, ...]


class FeatureRow(msgspec.Struct, frozen=True):
    """A row without its values: the picture and its part; `key` is the key of the values in a store."""

    number: int
    picture: PictureEntry
    view: str = WHOLE
    region: Region | None = None
    content: str = ""
    key: str = ""
    failure: str | None = None


Found = tuple[FeatureRow, NDArray[Any] | None]


def dataset_entries(pictures: Sequence[LabelledPicture], made_by: str) -> Iterator[SequenceEntry]:
    """The sequences of a data set; `made_by` identifies network and rule."""
    number = 0
    for burst in sequences(pictures):
        entries = tuple(
            PictureEntry(one.file, str(one.path), one.label, one.sequence, one.location, one.source, one.split, one.box)
            for one in burst
        )
        boxes = [one.box for one in burst]
        made = f"{made_by} {boxes}" if any(boxes) else made_by
        yield SequenceEntry(sequence_key([known_of(one.path) for one in entries], made), number, entries)
        number += len(entries)


def archive_entries(
    archive: Archive,
    root: str,
    made_by: str,
    rule: BurstRule,
    workers: int,
    tell_untimed: Callable[[str], object] = lambda name: None,
) -> Iterator[SequenceEntry]:
    """The sequences of an archive, trap by trap; its pictures have no labels.

    `tell_untimed` is called with the name of each picture without a usable time.
    """
    number = 0
    for trap in archive.traps:
        for found in archive.sequences(trap, rule, made_by, workers):
            for name in found.untimed:
                tell_untimed(name)
            entries = tuple(
                PictureEntry(name, f"{root}/{name}", sequence=found.names[0], location=trap) for name in found.names
            )
            yield SequenceEntry(found.key, number, entries)
            number += len(entries)


def in_groups(sequences: Iterable[SequenceEntry], pictures: int = GROUP) -> Iterator[list[SequenceEntry]]:
    """Groups of neighbouring sequences with at least so many pictures together."""
    group: list[SequenceEntry] = []
    for sequence in sequences:
        group.append(sequence)
        if sum(len(one.pictures) for one in group) >= pictures:
            yield group
            group = []
    if group:
        yield group


def features_of(
    group: Sequence[SequenceEntry],
    extractor: Extractor,
    layer: str,
    rule: RegionRule | None,
    known: Callable[[str], bool] = lambda key: False,
) -> list[list[Found]]:
    """The rows of each sequence, with their values; these are None if the picture failed or the key is known.

    All pictures are decoded before the first forward pass, so that the network stays in the processor's cache.

    Args:
        group: the sequences.
        extractor: the network.
        layer: the layer to compute.
        rule: the region rule; None for whole pictures only.
        known: whether the values of a key are known already.
    """
    decoded = [_decoded(sequence, extractor, rule, known) for sequence in group]
    return [
        [(row, None if image is None else extractor(image)[layer]) for row, image in sequence] for sequence in decoded
    ]


def _decoded(
    sequence: SequenceEntry, extractor: Extractor, rule: RegionRule | None, known: Callable[[str], bool]
) -> list[tuple[FeatureRow, NDArray[np.uint8] | None]]:
    def wanted(index: int, content: bytes, region: Region | None) -> list[Size]:
        return [] if known(row_key(extractor, content, region, "plain")) else [extractor.size]

    readers = [partial(read_at, picture.path) for picture in sequence.pictures]
    looks = look_at(readers, [picture.box for picture in sequence.pictures], rule, wanted)
    found: list[tuple[FeatureRow, NDArray[np.uint8] | None]] = []
    for number, (picture, look) in enumerate(zip(sequence.pictures, looks, strict=True), start=sequence.number):
        if isinstance(look, str):
            found.append((FeatureRow(number, picture, failure=look), None))
            continue
        for part in look.parts:
            key, view = row_key(extractor, look.content, part.region, "plain"), REGION if part.region else WHOLE
            row = FeatureRow(number, picture, view, part.region, look.content.hex(), key)
            found.append((row, part.inputs.get(extractor.size)))
    return found
