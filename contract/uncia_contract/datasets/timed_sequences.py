"""Sequences of pictures that a data set gives none, by their times and places.

Decides which time of a picture counts, and what such a sequence is called. Which times belong together is the bursts'
rule, the trap's own.
"""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule, Frame, bursts
from uncia_contract.pictures.exif import Taken, parse_time
from uncia_contract.pictures.file_name_times import file_name_time
from uncia_contract.pictures.jpeg import jpeg_taken
from uncia_contract.runs.labels import LabelledPicture


def with_sequences(pictures: Sequence[LabelledPicture], rule: BurstRule, zone: tzinfo = UTC) -> list[LabelledPicture]:
    """The pictures, those without a sequence given one where their times show that they belong together.

    EXIF's time (with sub-seconds and offset) counts, else the data set's, else the name's, in that zone where they tell
    none; pictures of one place, or of one folder where places are unknown, form bursts. A burst of one stays without a
    sequence.
    """
    alone: dict[tuple[str, str], list[Frame]] = defaultdict(list)
    for index, picture in enumerate(pictures):
        if not picture.sequence:
            place = picture.location or picture.path.parent.as_posix()
            alone[(picture.source, place)].append(_frame(str(index), picture, zone))
    named = list(pictures)
    for (_, place), frames in sorted(alone.items()):
        names: Counter[str] = Counter()  # two visits may begin at one moment of a clock that was reset
        for burst in bursts(frames, rule):
            began = burst.frames[0].moment
            if len(burst.frames) > 1 and began is not None:
                name = f"{Path(place).name} {began:%Y%m%dT%H%M%S}"
                names[name] += 1
                again = f" {names[name]}" if names[name] > 1 else ""
                for frame in burst.frames:
                    named[int(frame.name)] = replace(pictures[int(frame.name)], sequence=name + again)
    return named


def _frame(name: str, picture: LabelledPicture, zone: tzinfo) -> Frame:
    try:
        with picture.path.open("rb") as stream:
            told = jpeg_taken(stream, zone)
    except OSError:
        told = Taken()  # unreadable pictures are recorded when they are decoded
    at = told.at
    if told.clock is None:
        at = parse_time(picture.datetime, zone=zone) or parse_time(file_name_time(picture.path.name), zone=zone)
    return Frame(name, picture.path, at, told)
