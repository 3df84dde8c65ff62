"""Pictures that show people are grey for viewers, left out of exports, and deleted after a time."""

import io
import zipfile
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select
from starlette.testclient import TestClient
from tests.collector.conftest import NOW, jpeg

from uncia_collector.catalogue.access.people_in_pictures import erase, human_names
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import frames, sequences
from uncia_collector.cli.main import main
from uncia_collector.observations.checklist import shipped_checklist
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app
from uncia_contract.messages.records import Preview, SequenceRecord, decode

PASSWORD = "snow and rocks"
NAMES = human_names(shipped_checklist())


@pytest.fixture
def four(stored, make_sequence, tmp_path):
    """Four sequences: a person by the model; a person by an answer; a person by the model, rejected; an animal."""
    preview = Preview(0, 64, 48, jpeg(9))
    table = tmp_path / "deployments.csv"
    table.write_text("deploymentID,latitude,longitude,deploymentStart,cameraID\nd1,36.9,73.0,2026-01-01,ridge\n")
    read_deployments(table, stored.database)
    for number, label in enumerate(("person", "snow_leopard", "person", "snow_leopard")):
        pictures = [jpeg(2 * number), jpeg(2 * number + 1)]
        one = make_sequence(id=f"{number}", label=label, pictures=pictures, preview=preview if number == 0 else None)
        stored.commit(*one.messages(), now=NOW)
    review(stored.database, ("ridge", "1"), "relabelled", "anara", NOW, label="Herder")
    review(stored.database, ("ridge", "2"), "rejected", "anara", NOW)
    return stored


def test_a_viewer_gets_grey_and_a_reviewer_the_picture(four) -> None:
    """Picture, thumbnail and card; by the model's label or an answer in any language, unless it was rejected."""
    app = make_app(CollectorSettings(data=str(four.root)), four.database)
    seen = {}
    for role in ("viewer", "reviewer"):
        People(four.database).set_user(role, PASSWORD, role, datetime.now(UTC))
        client = TestClient(app)
        client.post("/login", data={"name": role, "password": PASSWORD})
        for kind in (".jpg", ".thumbnail.jpg"):
            contents = [client.get(f"/sequences/ridge/{number}/0{kind}").content for number in range(4)]
            seen[role, kind] = [contents[number] == contents[0] for number in range(4)]
    assert {seen["viewer", kind] == [True, True, False, False] or kind for kind in (".jpg", ".thumbnail.jpg")} == {True}
    assert {seen["reviewer", kind] == [True, False, False, False] or kind for kind in (".jpg", ".thumbnail.jpg")} == {
        True
    }


@pytest.mark.parametrize(("words", "shown"), [([], {"2", "3"}), (["--people"], {"0", "1", "2", "3"})])
def test_exports_leave_pictures_of_people_out_unless_asked(four, tmp_path, capsys, words, shown) -> None:
    """From Camtrap DP's pictures and media, and from every table with files; one line says so."""
    catalogue = ["--database", four.database.engine.url.render_as_string(False), "--data", str(four.root), *words]
    assert main(["export", "camtrap-dp", "--pictures", "--out", str(tmp_path / "s.zip"), *catalogue]) == 0
    assert ("pictures that show people, unless they are asked for: 4 (ridge 4)" in capsys.readouterr().err) is not words
    with zipfile.ZipFile(tmp_path / "s.zip") as package:
        assert {name.split("/")[-1].split(".")[0] for name in package.namelist() if name.endswith(".jpg")} == shown
        media = io.TextIOWrapper(package.open("media.csv")).read()
    assert main(["export", "scores", "--out", str(tmp_path / "s.csv"), *catalogue]) == 0
    for text in (media, (tmp_path / "s.csv").read_text()):
        assert {number for number in "0123" if f"/{number}.000.jpg" in text} == shown


def test_pictures_of_people_are_deleted_after_the_configured_time(four) -> None:
    """Files, files made from them, and the preview in the record; everything else stays."""
    thumbnail = next(four.root.glob("frames/ridge/*/0.000.jpg"))
    drawn = four.root / str(thumbnail.relative_to(four.root)).replace("frames/", "thumbnails/")
    drawn.parent.mkdir(parents=True)
    drawn.write_bytes(b"x")
    assert erase(four.database, four.root, NAMES, NOW) == 0
    assert erase(four.database, four.root, NAMES, NOW + timedelta(seconds=1)) == 2
    assert erase(four.database, four.root, NAMES, NOW + timedelta(seconds=1)) == 0
    assert {name.split(".")[0] for name in four.files()} == {"2", "3"}
    assert not drawn.exists()
    with four.database.reading() as connection:
        states = connection.execute(select(frames.c.sequence, frames.c.status).distinct()).all()
        records = connection.execute(select(sequences.c.record)).scalars()
        assert all(decode(record, SequenceRecord).preview is None for record in records)
    assert sorted(map(tuple, states)) == [("0", "erased"), ("1", "erased"), ("2", "stored"), ("3", "stored")]


def test_an_erased_sequence_is_complete_to_its_trap(four, make_sequence) -> None:
    """The same record again gets a receipt in which nothing is missing."""
    erase(four.database, four.root, NAMES, NOW + timedelta(seconds=1))
    again = make_sequence(id="0", label="person", pictures=[jpeg(0), jpeg(1)])
    assert four.commit(again.record_message())["ridge", "0"].complete


def test_a_preview_whose_pictures_never_came_is_deleted(stored, make_sequence) -> None:
    """A trap that has used up its budget sends only the record."""
    one = make_sequence(id="0", label="person", pictures=[jpeg(0)], preview=Preview(0, 64, 48, jpeg(9)))
    stored.commit(one.record_message(), now=NOW)
    assert erase(stored.database, stored.root, NAMES, NOW + timedelta(seconds=1)) == 1
    with stored.database.reading() as connection:
        record = connection.execute(select(sequences.c.record)).scalar_one()
    assert decode(record, SequenceRecord).preview is None
    assert erase(stored.database, stored.root, NAMES, NOW + timedelta(seconds=1)) == 0
