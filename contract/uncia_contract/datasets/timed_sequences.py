"""Groups pictures without a sequence into sequences, by time and place.

Decides which time of a picture counts, and the name of such a sequence. The burst rule decides which pictures belong
together, as on the trap.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, tzinfo
from itertools import count
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule, Frame, bursts
from uncia_contract.pictures.exif import parse_time
from uncia_contract.pictures.file_name_times import file_name_time
from uncia_contract.pictures.other_formats import picture_taken
from uncia_contract.runs.labels import LabelledPicture, SequenceKey, sequence_key


def with_sequences(
    pictures: Sequence[LabelledPicture], rule: BurstRule, zone: tzinfo = UTC, untimed: set[str] | None = None
) -> list[LabelledPicture]:
    """The pictures, where those without a sequence get one if their times show that they belong together.

    The first of these times counts: EXIF's (with sub-seconds and offset), the data set's, the file name's. `zone` is
    the zone of times without an offset. Pictures of one place, or of one folder where the place is unknown, form
    bursts. A burst of one picture gets no sequence. The files without a sequence and without a usable time are added to
    `untimed`.
    """
    alone: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        if not picture.sequence:
            place = picture.location or picture.path.parent.as_posix()
            frame = _frame(str(index), picture, zone)
            alone[(picture.source, place)].append(frame)
            if untimed is not None and frame.taken_at is None:
                untimed.add(picture.file)
    named = list(pictures)
    used = {sequence_key(picture) for picture in pictures if picture.sequence}
    for (_, place), frames in sorted(alone.items()):
        for burst in bursts(frames, rule):
            began = burst.frames[0].moment
            if len(burst.frames) > 1 and began is not None:
                members = [int(frame.name) for frame in burst.frames]
                name = f"{Path(place).name} {began:%Y%m%dT%H%M%S}"
                first = _in_new_sequence(pictures[members[0]], name, used)
                for member in members:
                    named[member] = replace(pictures[member], sequence=first.sequence)
    return named


def _in_new_sequence(picture: LabelledPicture, name: str, used: set[SequenceKey]) -> LabelledPicture:
    """The picture in a sequence of this name; a number is added where another sequence has the name.

    Two visits may begin at the same time of a clock that was reset, and folders of two places may have the same name.
    """
    again = (f" {number}" for number in count(2))
    found = replace(picture, sequence=name)
    while sequence_key(found) in used:
        found = replace(picture, sequence=name + next(again))
    used.add(sequence_key(found))
    return found


def taken_at(picture: LabelledPicture, zone: tzinfo | None) -> datetime | None:
    """The picture's time by the rule of `with_sequences`; without a zone where none is known; None without a time."""
    return _frame(picture.file, picture, zone).taken_at


def _frame(name: str, picture: LabelledPicture, zone: tzinfo | None) -> Frame:
    told = picture_taken(picture.path, zone)  # a picture that cannot be read is reported when it is decoded
    at = told.at
    if told.clock is None:
        at = parse_time(picture.datetime, zone=zone) or parse_time(file_name_time(picture.path.name), zone=zone)
    return Frame(name, picture.path, at, told)
