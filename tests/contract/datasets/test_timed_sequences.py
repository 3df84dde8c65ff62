"""Sequences by time, where a data set has none."""

import csv
from datetime import datetime, timedelta
from pathlib import Path

from PIL import Image

from uncia_contract.bursts.frames import BurstRule
from uncia_contract.datasets.reader import read_data
from uncia_contract.runs.labels import sequences


def jpeg(path: Path, time: datetime | None = None, fraction: str = "", offset: str = "") -> None:
    """A small picture with EXIF times."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.new("RGB", (32, 24), (90, 120, 60))
    exif = Image.Exif()
    if time:
        details = exif.get_ifd(0x8769)
        details[0x9003] = time.strftime("%Y:%m:%d %H:%M:%S")
        if fraction:
            details[0x9291] = fraction
        if offset:
            details[0x9011] = offset
    image.save(path, exif=exif)


def table(path: Path, rows: list[dict]) -> None:
    with path.open("w", newline="") as text:
        writer = csv.DictWriter(text, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def test_exif_times_make_sequences(tmp_path):
    """Sub-seconds and offsets count: 10:00:00.9 +02:00 and 08:00:01.2 UTC are one burst; an hour later is another."""
    time = datetime.fromisoformat("2024-05-01T10:00:00")
    jpeg(tmp_path / "cat" / "1.jpg", time, "9", "+02:00")
    jpeg(tmp_path / "cat" / "2.jpg", time - timedelta(seconds=7199), "2", "+00:00")
    jpeg(tmp_path / "cat" / "3.jpg", time, "", "+01:00")
    named = read_data(tmp_path, rule=BurstRule(gap_s=0.5))
    assert [bool(one.sequence) for one in named] == [True, True, False]


def test_the_data_sets_time_serves_where_exif_has_none(tmp_path):
    """Two rows ten seconds apart at one place are one sequence."""
    for name in ("1", "2"):
        jpeg(tmp_path / f"{name}.jpg")
    rows = [("1.jpg", "2024-05-01T10:00:00Z"), ("2.jpg", "2024-05-01T10:00:05Z")]
    table(tmp_path / "l.csv", [{"file": name, "label": "cat", "location": "hill", "datetime": at} for name, at in rows])
    named = read_data(tmp_path / "l.csv")
    assert named[0].sequence == named[1].sequence != ""


def test_equal_folder_names_of_two_places_share_no_sequence(tmp_path):
    """Even at the same time, each has its own burst."""
    time = datetime.fromisoformat("2024-05-01T10:00:00")
    for name in ("cat/hill/A/1", "cat/hill/A/2", "cat/dale/A/1", "cat/dale/A/2"):
        jpeg(tmp_path / f"{name}.jpg", time)
    assert [len(burst) for burst in sequences(read_data(tmp_path))] == [2, 2]


def test_a_sequence_by_time_gets_a_name_that_is_not_used(tmp_path):
    """Also if the data set already has that name."""
    for name in "abcd":
        jpeg(tmp_path / f"{name}.jpg")
    rows = [(name, "hill 20240501T100000" if name in "ab" else "") for name in "abcd"]
    table(tmp_path / "l.csv", [{"file": f"{name}.jpg", "label": "cat", "location": "hill", "sequence": sequence,
                                "datetime": "2024-05-01T10:00:00Z"} for name, sequence in rows])  # fmt: skip
    assert [[one.file[0] for one in burst] for burst in sequences(read_data(tmp_path / "l.csv"))] == [
        ["a", "b"],
        ["c", "d"],
    ]
