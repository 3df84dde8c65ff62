"""The other exports: COCO Camera Traps, scores, training data; times and memory of all exports."""

import csv
import io
import json
import tracemalloc
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert, select

from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import give_answer, review
from uncia_collector.catalogue.schema import frames, sequences
from uncia_collector.cli.main import main
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.observations.answer import Observation

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def exported(stored, sent, make_sequence, make_jpeg):
    """Makes an export of a catalogue with a confirmed, a rejected and an open sequence."""
    for sequence in (sent, make_sequence(id="2", pictures=[make_jpeg(3)]), make_sequence(id="3")):
        stored.commit(*sequence.messages())
    review(stored.database, ("ridge", sent.id), "confirmed", "anara", NOW)
    review(stored.database, ("ridge", "2"), "rejected", "anara", NOW)

    def make(kind: str) -> bytes:
        stream = io.BytesIO()
        with stored.database.reading() as connection:
            export(kind, Request(connection, "Station", stored.root, NOW), stream)
        return stream.getvalue()

    return make


def test_coco_numbers_frames_from_zero_and_empty_is_zero(exported):
    """As LILA's conventions require."""
    coco = json.loads(exported("coco"))

    assert coco["categories"][0] == {"id": 0, "name": "empty"}
    assert [image["frame_num"] for image in coco["images"] if image["seq_id"] == "ridge:000001"] == [0, 1]
    assert {a["image_id"] for a in coco["annotations"]} == {image["id"] for image in coco["images"]}


def test_the_integrity_checker_finds_nothing_wrong_in_coco(exported, stored, make_sequence, placed_jpeg):
    """megadetector-utils checks fields, types, ids and references, and that each file exists in the stated size."""
    checker = pytest.importorskip("megadetector.data_management.integrity_check_json_db")
    stored.commit(*make_sequence(id="turned", pictures=[placed_jpeg()]).messages())
    options = checker.IntegrityCheckOptions()
    options.baseDir, options.nThreads, options.verbose = str(stored.root), 1, False
    options.bCheckImageSizes = options.bCheckImageExistence = options.requireInfo = True
    options.bFindUnusedImages = True

    _, _, found = checker.integrity_check_json_db(json.loads(exported("coco")), options)
    assert (found["validation_errors"], found["unused_files"]) == ([], [])


def test_coco_has_each_observation_with_its_count(exported, stored):
    """A leopard and its prey are annotations of every image; a sequence without an answer has no count."""
    said = [Observation("Snow leopard", 1), Observation("ibex", 5)]
    give_answer(stored.database, ("ridge", "2"), said, "anara", NOW)
    coco = json.loads(exported("coco"))
    names = {category["id"]: category["name"] for category in coco["categories"]}
    found = [(names[a["category_id"]], a.get("count")) for a in coco["annotations"] if a["image_id"] == "ridge:2:0"]
    assert found == [("snow_leopard", 1), ("ibex", 5)]
    assert len({a["id"] for a in coco["annotations"]}) == len(coco["annotations"])


def test_the_training_table_has_rejected_sequences_as_negatives(exported, stored):
    """It has only reviewed sequences, and every file in it exists."""
    rows = [*csv.DictReader(exported("training").decode().splitlines())]

    assert sorted((row["label"], row["sequence"]) for row in rows) == [
        ("not_snow_leopard", "ridge:2"),
        ("snow_leopard", "ridge:000001"),
        ("snow_leopard", "ridge:000001"),
    ]
    assert all((stored.root / row["file"]).is_file() for row in rows)


def test_an_answer_by_another_name_of_the_animal_is_a_positive_example(exported, stored):
    """It was once exported as a negative."""
    review(stored.database, ("ridge", "000001"), "relabelled", "anara", NOW, "Snow leopard")
    review(stored.database, ("ridge", "2"), "relabelled", "anara", NOW, "Fox ")
    rows = csv.DictReader(exported("training").decode().splitlines())
    assert {row["sequence"]: row["label"] for row in rows} == {"ridge:000001": "snow_leopard", "ridge:2": "fox"}


def test_times_state_their_zone(exported):
    """Every time of every format has its offset, or a column that names it."""
    assert {image["datetime"][-6:] for image in json.loads(exported("coco"))["images"]} == {"+00:00"}
    assert {image["datetime"][-6:] for image in json.loads(exported("megadetector"))["images"]} == {"+00:00"}
    for kind in ("scores", "training"):
        assert {row["datetime"][-6:] for row in csv.DictReader(exported(kind).decode().splitlines())} == {"+00:00"}


def test_every_kind_is_written_by_the_command(on_sqlite, sent, tmp_path, capsys):
    """`uncia-collect export KIND --out FILE` works; Camtrap DP reports that there are no deployments."""
    on_sqlite.commit(*sent.messages())

    codes = {
        kind: main(["export", kind, "--data", str(on_sqlite.root), "--out", str(tmp_path / kind)]) for kind in KINDS
    }
    assert codes == dict.fromkeys(KINDS, 0) | {"camtrap-dp": 2} and "no deployments" in capsys.readouterr().err


def multiplied(stored, sent, first: int, last: int) -> None:
    """Store copies of one sequence, numbered from `first` to `last`, each an hour later: an event of its own."""
    times = {"started_at", "ended_at", "taken_at"}
    with stored.database.writing() as connection:
        for table, name in ((sequences, "id"), (frames, "sequence")):
            kept = [column for column in table.c if not column.computed]
            rows = connection.execute(select(*kept).where(table.c[name] == sent.id)).mappings().all()
            for row in rows:
                moved = [column for column in times & row.keys() if row[column]]
                copies = [
                    dict(row) | {name: f"c{n}"} | {column: row[column] + timedelta(hours=n + 1) for column in moved}
                    for n in range(first, last)
                ]
                connection.execute(insert(table), copies)


def peak_of_export(stored, kind: str, path: Path) -> int:
    """The peak of Python's memory while it writes one export, in bytes."""
    with stored.database.reading() as connection, path.open("wb") as stream:
        tracemalloc.start()
        export(kind, Request(connection, "Station", stored.root, NOW), stream)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    return peak


@pytest.mark.heavy
@pytest.mark.parametrize("kind", KINDS)
def test_a_longer_catalogue_needs_no_more_memory(on_sqlite, sent, kind, tmp_path):
    """Every export is written while the catalogue is read: three times as many sequences have the same peak."""
    sent.pictures = sent.pictures[:1]
    on_sqlite.commit(*sent.messages())
    review(on_sqlite.database, ("ridge", sent.id), "confirmed", "anara", NOW)
    (tmp_path / "places.csv").write_text(
        "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\nd1,36.9,73.0,2026-01-01,,ridge\n"
    )
    read_deployments(tmp_path / "places.csv", on_sqlite.database)
    peaks = []
    for first, last in ((0, 1100), (1100, 3300)):
        multiplied(on_sqlite, sent, first, last)
        # the smaller of two: Python's own table of interned strings, which paths fill, doubles once in a while
        peaks.append(min(peak_of_export(on_sqlite, kind, tmp_path / kind) for _ in range(2)))

    assert peaks[1] < 1.5 * peaks[0], peaks  # all of it in memory would be three times as much
    assert (tmp_path / kind).stat().st_size > 30_000
