"""Labelled pictures from whatever a data set comes as, with sequences where their times tell them.

Decides which reader takes a path: a folder with `datapackage.json` is Camtrap DP, another folder holds one
for each label; `.json` is COCO Camera Traps or a Camtrap DP's `datapackage.json`; all else is our CSV.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_contract.bursts.frames import BurstRule, Frame, bursts
from uncia_contract.datasets.camtrap_labels import DATAPACKAGE, read_camtrap_dp
from uncia_contract.errors import DataError
from uncia_contract.pictures.exif import Taken, parse_time
from uncia_contract.pictures.file_name_times import file_name_time
from uncia_contract.pictures.jpeg import jpeg_taken
from uncia_contract.pictures.picture_files import JPEG_SUFFIXES, folders_below, is_picture
from uncia_contract.runs.labels import LabelledPicture, read_labels
from uncia_training.datasets.coco_camera_traps import read_coco

NEGATIVE = "other"  # the class of all that is not looked for


def read_data(data: Path, positive: Sequence[str] = ()) -> list[LabelledPicture]:
    """Labelled pictures of a data set.

    Args:
        data: see the module.
        positive: labels that win where a picture has several.

    Raises:
        DataError: not such a data set, or without pictures.
    """
    if data.is_dir():
        return read_camtrap_dp(data, positive) if (data / DATAPACKAGE).exists() else _read_folders(data)
    if data.name == DATAPACKAGE:
        return read_camtrap_dp(data.parent, positive)
    return read_coco(data, positive) if data.suffix.lower() == ".json" else read_labels(data)


def _read_folders(data: Path) -> list[LabelledPicture]:
    found = [
        LabelledPicture(path.relative_to(data).as_posix(), path, path.relative_to(data).parts[0])
        for path in sorted(
            path for folder in folders_below(data, _refuse) if folder != data for path in folder.iterdir()
        )
        if is_picture(path) and path.suffix.lower() in JPEG_SUFFIXES and path.is_file()
    ]
    if not found:
        raise DataError(f"{data}: no pictures; expected a folder for each label with JPEGs in it, or a CSV")
    return found


def _refuse(folder: Path, error: OSError) -> None:
    raise DataError(f"{folder}: cannot be read ({error.strerror or error})") from error


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


def positive_labels(names: Iterable[str]) -> tuple[str, ...]:
    """The labels that are looked for, each once.

    Raises:
        DataError: one is called like the class of all else.
    """
    labels = tuple(dict.fromkeys(names))
    if NEGATIVE in labels:
        raise DataError(f"--positive {NEGATIVE}: that is the class of all that is not looked for; rename the label")
    return labels


def labels_of(pictures: Iterable[LabelledPicture]) -> list[str]:
    """The labels, sorted, each once."""
    return sorted({picture.label for picture in pictures})
