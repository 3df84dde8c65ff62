"""From the pictures of one sequence to rows of features: the function that every engine runs.

Decides which rows there are: each picture as a whole, and its region besides where the burst found one (the trap's
rule); a picture that cannot be read is a row with its failure and no features.
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
GROUP = 16  # pictures that are decoded before their forward passes begin


class PictureEntry(msgspec.Struct, frozen=True):
    """A picture by path (or address), and what the data set says of it."""

    file: str
    path: str
    label: str = ""
    sequence: str = ""
    location: str = ""
    source: str = ""
    split: str = ""
    box: Region | None = None


class SequenceEntry(msgspec.Struct, frozen=True):
    """A sequence of pictures; `number` counts pictures and is the first one's, `key` names them all."""

    key: str
    number: int
    pictures: tuple[PictureEntry, ...]


class FeatureRow(msgspec.Struct, frozen=True):
    """One row without its values: which part of which picture; `key` finds the values in a store."""

    number: int
    picture: PictureEntry
    view: str = WHOLE
    region: Region | None = None
    content: str = ""
    key: str = ""
    failure: str | None = None


Found = tuple[FeatureRow, NDArray[Any] | None]


def dataset_entries(pictures: Sequence[LabelledPicture], made_by: str) -> Iterator[SequenceEntry]:
    """A data set's sequences; `made_by` names network and rule."""
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
    """An archive's sequences, trap by trap; pictures have no label there.

    `tell_untimed` is told of each picture that tells no usable time.
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
    """Neighbouring sequences, just as many as have so many pictures together."""
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
    """The rows of each sequence, in its order; values are None where the row failed or its key is known.

    All pictures are decoded before the first forward pass: one pass after another finds the network in the cache.

    Args:
        group: of sequences.
        extractor: the network.
        layer: of the extractor.
        rule: of regions; None takes whole pictures only.
        known: whether a key's values need not be computed.
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
