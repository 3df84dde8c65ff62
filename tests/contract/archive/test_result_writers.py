"""The writers of results that other tools read."""

import csv
import io
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone

import pytest

from uncia_contract.archive.megadetector import megadetector_results, write_megadetector
from uncia_contract.archive.score_table import COLUMNS, write_score_table
from uncia_contract.archive.scored_picture import ScoredPicture

AT, EAST = datetime(2026, 11, 23, 6, tzinfo=UTC), timezone(timedelta(hours=5))
SCORED = ScoredPicture("a/1.jpg", "snow_leopard", 0.9, (0.1, 0.2, 0.3, 0.4), taken_at=AT)


def image_of(picture: ScoredPicture) -> dict:
    """The one image of a results file."""
    return megadetector_results([picture], "starter-1", AT)["images"][0]


def test_box_is_the_region_that_was_scored():
    """The box shows the part that the trap scored."""
    assert image_of(SCORED)["detections"][0]["bbox"] == [0.1, 0.2, 0.3, 0.4]


def test_without_a_region_the_box_is_the_whole_picture():
    """Without a region the format requires [0, 0, 1, 1]."""
    assert image_of(ScoredPicture("1.jpg", "x", 0.5))["detections"][0]["bbox"] == [0.0, 0.0, 1.0, 1.0]


def test_unscored_picture_has_no_detections():
    """#1: it was not scored because of early exit."""
    assert image_of(ScoredPicture("1.jpg", "x"))["detections"] == []


def test_unreadable_picture_is_a_failure():
    """#2: null detections and the reason."""
    image = image_of(ScoredPicture("1.jpg", failure="truncated"))
    assert image == {"file": "1.jpg", "failure": "truncated", "detections": None}


@pytest.mark.parametrize("score", [0.0, 0.3, 1.0])
def test_classifications_are_in_descending_order(score):
    """The format requires this order, and a name for each number."""
    results = megadetector_results([ScoredPicture("1.jpg", "x", score)], "d", AT)
    classes = results["images"][0]["detections"][0]["classifications"]
    assert classes[0][1] >= classes[1][1] and {c[0] for c in classes} <= set(results["classification_categories"])


def test_megadetector_utils_accepts_the_file():
    """The validator of PyPI's `megadetector-utils` finds no errors and no warnings."""
    validator = pytest.importorskip("megadetector.postprocessing.validate_batch_results")
    pictures = [SCORED, ScoredPicture("2.jpg", "snow_leopard"), ScoredPicture("3.jpg", failure="empty file"),
                ScoredPicture("4.jpg", "snow_leopard", 0.5, damaged="grey")]  # fmt: skip

    verdict = validator.validate_batch_results(megadetector_results(pictures, "d", AT))["validation_results"]

    assert (verdict["errors"], verdict["warnings"]) == ([], [])


@pytest.mark.parametrize("pictures", [[], [SCORED, ScoredPicture("2.jpg", failure="empty file")]], ids=["none", "two"])
def test_the_streaming_writer_writes_the_same_file(pictures):
    """The streaming writer gives the same content as `megadetector_results`."""
    stream = io.StringIO()
    assert write_megadetector(stream, pictures, "d", AT, 0.4) == len(pictures)
    assert json.loads(stream.getvalue()) == megadetector_results(pictures, "d", AT, 0.4)


def test_the_written_file_keeps_its_layout():
    """Byte for byte: a head with one value a line, then one line a picture, so that `grep` and `diff` are useful."""
    stream = io.StringIO()
    write_megadetector(stream, [SCORED, ScoredPicture("ü\n2.jpg", failure="empty file")], "d\n1", AT, 0.4)
    whole = megadetector_results([SCORED, ScoredPicture("ü\n2.jpg", failure="empty file")], "d\n1", AT, 0.4)
    head = json.dumps({name: whole[name] for name in ("info", "detection_categories")}, indent=1)
    images = ",\n  ".join(json.dumps(image) for image in whole["images"])
    categories = json.dumps(whole["classification_categories"])
    assert stream.getvalue() == (
        head[: -len("\n}")] + f',\n "images": [\n  {images}\n ],\n "classification_categories": {categories}\n}}\n'
    )


def test_table_has_a_line_a_picture():
    """Columns in their order, times with their offset."""
    stream = io.StringIO(newline="")

    assert write_score_table(stream, [SCORED]) == 1
    head, line = stream.getvalue().splitlines()
    assert head == ",".join(COLUMNS) and line.startswith("a/1.jpg,,,2026-11-23T06:00:00+00:00,snow_leopard,0.9,0.1,")


@pytest.mark.parametrize(
    "name", ["-38.12_145.20/a.jpg", "=1+1.jpg", "+7.jpg", "@eaDir2/a.jpg", "'a'.jpg", 'a,"b";c.jpg']
)
def test_names_are_exact(name: str) -> None:
    """So that the table can be joined with others by file, trap and sequence."""
    table = io.StringIO(newline="")
    write_score_table(table, [ScoredPicture(name, trap=name, sequence=name)])
    [row] = csv.DictReader(table.getvalue().splitlines())
    assert {row["file"], row["trap"], row["sequence"]} == {name}


def test_a_damaged_picture_is_scored_and_marked() -> None:
    """In a column of the table, and in an extra field of MegaDetector's format (#4)."""
    picture = ScoredPicture("1.jpg", "x", 0.5, damaged="grey where data end early")
    table = io.StringIO(newline="")
    write_score_table(table, [picture])
    image = image_of(picture)
    assert next(csv.DictReader(table.getvalue().splitlines()))["damaged"] == "grey where data end early"
    assert (image["damaged"], len(image["detections"])) == ("grey where data end early", 1)


TWO = {"snow_leopard": 0.125, "prey": 0.75}


def test_several_labels_are_columns_and_classifications_of_their_own() -> None:
    """The picture's confidence is for all labels together; the classifications are the sequence's means."""
    told = replace(SCORED, label="prey", probabilities=TWO)
    table = io.StringIO(newline="")
    write_score_table(table, [told, SCORED])
    results = megadetector_results([told], "d", AT)
    [found], named = results["images"][0]["detections"], results["classification_categories"]
    rows = [row["probabilities"] for row in csv.DictReader(table.getvalue().splitlines())]
    assert rows == ['{"prey": 0.75, "snow_leopard": 0.125}', ""]
    assert [(named[n], p) for n, p in found["classifications"]] == [
        ("prey", 0.75),
        ("snow_leopard", 0.125),
        ("other", 0.125),
    ]
    assert found["conf"] == 0.9


def test_a_time_of_unknown_zone_is_written_without_one() -> None:
    """No `+00:00` where the zone is not known; a known offset is kept."""
    clock = datetime(2026, 1, 14, 3, 43, 1)  # noqa: DTZ001 - as a camera tells it
    pictures = [ScoredPicture("a.jpg", taken_at=clock), ScoredPicture("b.jpg", taken_at=clock.replace(tzinfo=EAST))]
    table = io.StringIO()
    write_score_table(table, pictures)
    rows = [row["datetime"] for row in csv.DictReader(table.getvalue().splitlines())]
    images = megadetector_results(pictures, "starter-1", AT)["images"]
    assert rows == [image["datetime"] for image in images] == ["2026-01-14T03:43:01", "2026-01-14T03:43:01+05:00"]
