"""From the pictures of one sequence to rows of features: the function that every engine runs.

Decides which rows there are: each picture as a whole, and its region besides where the burst found one (the trap's
rule); a picture that cannot be read is a row with its failure and no features.
"""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from uncia_contract.archive.visits import Archive, sequence_key
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule, region_about, regions
from uncia_contract.errors import FrameError
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.burst_decoder import BurstDecoder
from uncia_training.datasets.storage import known_of, read_at
from uncia_training.features.extract import Extractor
from uncia_training.features.feature_store import part_key

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
    inputs = (
        _burst_inputs(sequence, extractor, rule)
        if rule and (len(sequence.pictures) > 1 or sequence.pictures[0].box)
        else _still_inputs(sequence, extractor)
    )
    found: list[tuple[FeatureRow, NDArray[np.uint8] | None]] = []
    for row, image in inputs:
        try:
            found.append((row, image() if row.failure is None and not known(row.key) else None))
        except (FrameError, OSError) as error:
            found.append((FeatureRow(row.number, row.picture, row.view, failure=str(error)), None))
    return found


LazyInput = tuple[FeatureRow, Callable[[], NDArray[np.uint8]]]


def _still_inputs(sequence: SequenceEntry, extractor: Extractor) -> Iterator[LazyInput]:
    for number, picture in enumerate(sequence.pictures, start=sequence.number):
        try:
            data = read_at(picture.path)
        except FrameError as error:
            yield FeatureRow(number, picture, failure=str(error)), _nothing
            continue
        row = _row(number, picture, hashlib.sha256(data), extractor, None)
        yield row, lambda data=data: model_input(data, extractor.size)  # type: ignore[misc]


def _burst_inputs(sequence: SequenceEntry, extractor: Extractor, rule: RegionRule) -> Iterator[LazyInput]:
    contents: dict[int, Any] = {}

    def read(index: int) -> bytes:
        data = read_at(sequence.pictures[index].path)
        if index not in contents:
            contents[index] = hashlib.sha256(data)
        return data

    readers = [lambda index=index: read(index) for index in range(len(sequence.pictures))]
    with BurstDecoder(readers, rule, extractor.size, workers=1) as decoded:
        seen = decoded.thumbnails()
        thumbnails, failures = seen.grey, seen.failures
        choices = dict(zip(thumbnails, regions(list(thumbnails.values()), rule), strict=True)) if thumbnails else {}
        for index, picture in enumerate(sequence.pictures):
            number = sequence.number + index
            if index in failures:
                yield FeatureRow(number, picture, failure=failures[index]), _nothing
                continue
            box = picture.box and region_about(picture.box, thumbnails[index].shape[::-1], rule)
            for region in dict.fromkeys((None, (box or choices[index]).region)):
                row = _row(number, picture, contents[index], extractor, region)
                yield row, lambda i=index, r=region: decoded.model_input(i, r)  # type: ignore[misc]


def _row(number: int, picture: PictureEntry, content: Any, extractor: Extractor, region: Region | None) -> FeatureRow:
    key = part_key(content.digest(), region, f"{extractor.size} plain")
    return FeatureRow(number, picture, REGION if region else WHOLE, region, content.hexdigest(), key)


def _nothing() -> NDArray[np.uint8]:
    raise FrameError("a failed row has no picture")
