"""The other exports: MegaDetector JSON, COCO Camera Traps, scores, training data."""

import csv
import json
from datetime import UTC, datetime

import pytest

from uncia_collector.cli import main
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.review import review

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


@pytest.fixture
def exported(stored, sent, make_sequence, make_jpeg):
    """Makes an export of a catalogue with a confirmed, a rejected and an open sequence."""
    for sequence in (sent, make_sequence(id="2", pictures=[make_jpeg(3)]), make_sequence(id="3")):
        stored.take(*sequence.wires())
    review(stored.database, ("ridge", sent.id), "confirmed", "anara", NOW)
    review(stored.database, ("ridge", "2"), "rejected", "anara", NOW)

    def make(kind: str) -> bytes:
        with stored.database.reading() as connection:
            return export(kind, Request(connection, "Station", stored.root, NOW))

    return make


def test_coco_numbers_frames_from_zero_and_empty_is_zero(exported):
    """LILA's conventions."""
    coco = json.loads(exported("coco"))

    assert coco["categories"][0] == {"id": 0, "name": "empty"}
    assert [image["frame_num"] for image in coco["images"] if image["seq_id"] == "ridge:000001"] == [0, 1]
    assert {a["image_id"] for a in coco["annotations"]} == {image["id"] for image in coco["images"]}


def test_rejected_sequences_teach_what_the_animal_is_not(exported, stored):
    """Only reviewed sequences; rejects as negatives; every file is there."""
    rows = [*csv.DictReader(exported("training").decode().splitlines())]

    assert sorted((row["label"], row["sequence"]) for row in rows) == [
        ("not_snow_leopard", "ridge:2"),
        ("snow_leopard", "ridge:000001"),
        ("snow_leopard", "ridge:000001"),
    ]
    assert all((stored.root / row["file"]).is_file() for row in rows)


def test_every_kind_is_written_by_the_command(on_sqlite, sent, tmp_path, capsys):
    """`uncia-collect export KIND --out FILE`; Camtrap DP says what it lacks."""
    on_sqlite.take(*sent.wires())

    codes = {
        kind: main(["export", kind, "--data", str(on_sqlite.root), "--out", str(tmp_path / kind)]) for kind in KINDS
    }
    assert codes == dict.fromkeys(KINDS, 0) | {"camtrap-dp": 2} and "no deployments" in capsys.readouterr().err
