"""A station's export, imported elsewhere, gives the same sequences, verdicts and answers; also of two stations."""

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from msgspec import structs
from sqlalchemy import select
from tests.collector.exports.test_camtrap_dp import mistakes_in, needs_standard

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.review import give_answer, observations_of, review, undo
from uncia_collector.catalogue.schema import events, sequences, surveys
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.wire_messages import RawMessage, parse_message
from uncia_collector.observations.answer import Observation
from uncia_collector.observations.standing import standing
from uncia_collector.settings import sqlite_url
from uncia_contract.errors import DataError
from uncia_contract.messages.records import encode
from uncia_contract.messages.topics import Topics

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)
PLACES = (
    "deploymentID,latitude,longitude,deploymentStart,deploymentEnd,cameraID\nd1,36.9,73.0,2026-01-01T00:00:00Z,,ridge\n"
)
VISIT = {
    "1": [Observation("Snow leopard", 2, "female", "adult", "certain", "with a cub"), Observation("ibex", 5)],
    "2": None,  # nobody has answered
    "3": [Observation("fox")],
    "4": [Observation()],  # not what the model says
    "5": [Observation("Yeti")],
}  # fmt: skip


class Station:
    """A catalogue and its folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.database = Database(sqlite_url(root))
        self.database.migrate()
        self.folder = FrameFolder(root)

    def receive(self, sent, event: str) -> None:
        """Store a sequence as a trap sends it, as part of an event."""
        frames = (*sent.record.frames[:-1], structs.replace(sent.record.frames[-1], score=None, region=None))
        record = structs.replace(sent.record, event=event, frames=frames, frames_scored=len(frames) - 1)
        messages = [RawMessage(Topics(sent.trap).record(sent.id), encode(record)), *sent.messages()[1:]]
        Store(self.database, self.folder).commit([parse_message(message) for message in messages], NOW)

    def export(self) -> Path:
        """Write a package with the pictures; return its path."""
        stream = io.BytesIO()
        with self.database.reading() as connection:
            write_camtrap_dp(connection, stream, "Base station", NOW, pictures=True, root=self.root)
        (self.root / "out.zip").write_bytes(stream.getvalue())
        return self.root / "out.zip"

    def take(self, package: Path):
        """Import a package; return its counts."""
        with CamtrapPackage(package) as read:
            return SurveyImport(read, self.database, self.folder, NOW).run()

    def told(self) -> list[tuple]:
        """Each sequence, of traps and surveys: times, the model's label, state, and the answer that counts."""
        with self.database.reading() as connection:
            rows = connection.execute(select(sequences).order_by(sequences.c.started_at, sequences.c.id)).all()
            said = observations_of(connection, [(row.trap, row.id) for row in rows])
        return [
            (row.trap, row.started_at, row.ended_at, row.frames, row.label, row.positive,
             round(row.confidence, 6), row.review, row.review_label,
             [(one.reviewer, one.taxon, one.count, one.sex, one.life_stage, one.certainty)
              for one in standing(said.get((row.trap, row.id), ()))])
            for row in rows
        ]  # fmt: skip

    def events(self) -> list[tuple]:
        """Each event: its label, whether it is a sighting, its times, and its number of sequences."""
        e = events.c
        with self.database.reading() as connection:
            rows = connection.execute(select(e.started_at, e.ended_at, e.label, e.sighting, e.sequences)).all()
        return sorted(map(tuple, rows))

    def notes(self) -> set[str]:
        """The notes of all answers that count."""
        with self.database.reading() as connection:
            keys = [tuple(row) for row in connection.execute(select(sequences.c.trap, sequences.c.id))]
            return {row.note for rows in observations_of(connection, keys).values() for row in rows} - {""}


@pytest.fixture
def make_station(tmp_path, make_sequence, make_jpeg):
    """Makes a station with five sequences of one event; the last frame of each is not scored."""

    def make(name: str, visit=VISIT, first: int = 0) -> Station:
        (tmp_path / name).mkdir()
        station = Station(tmp_path / name)
        (station.root / "places.csv").write_text(PLACES)
        read_deployments(station.root / "places.csv", station.database)
        for n, (known, said) in enumerate(visit.items()):
            started, pictures = (
                NOW - timedelta(hours=5) + timedelta(seconds=10 * n),
                [make_jpeg(first + n), make_jpeg(first + 90 + n)],
            )
            score = 0.9 if n % 2 == 0 else 0.55
            station.receive(make_sequence(id=known, started_at=started, score=score, pictures=pictures), "visit")
            if said is not None:
                give_answer(station.database, ("ridge", known), said, f"anara of {name}", NOW, verdict="rejected")
        return station

    return make


@pytest.fixture
def make_empty(tmp_path):
    """Makes a station without sequences."""

    def make(name: str) -> Station:
        (tmp_path / name).mkdir()
        return Station(tmp_path / name)

    return make


def test_an_event_of_several_sequences_comes_back_as_several(make_station, make_empty):
    """Each has its pictures, times, score, verdict and answers."""
    field, office = make_station("field"), make_empty("office")
    counts = office.take(field.export())

    assert (counts.sequences, counts.media_stored, counts.observations) == (5, 10, 15)
    assert office.told() == field.told() and len(office.told()) == 5
    assert office.events() == field.events() and len(field.events()) == 5
    assert office.notes() >= field.notes()


@pytest.mark.heavy
@needs_standard
def test_packages_of_station_and_importer_are_valid(make_station, make_empty, tmp_path):
    """With frames that were not scored, free text, two observations and a rejection."""
    field, office = make_station("field"), make_empty("office")
    office.take(field.export())
    for station in (field, office):
        with zipfile.ZipFile(station.export()) as package:
            assert mistakes_in(package, tmp_path / f"{station.root.name} unpacked") == []


def test_a_package_is_the_same_after_a_second_catalogue(make_station, make_empty):
    """The office imports and exports it; a third catalogue imports that and has the field's sequences and events."""
    field, office, third = make_station("field"), make_empty("office"), make_empty("third")
    office.take(field.export())
    third.take(office.export())
    assert (third.told(), third.events()) == (field.told(), field.events())


def test_two_stations_with_the_same_ids_are_merged_without_loss(make_station, make_empty):
    """The same trap, ids, times and title: ten sequences with their own answers; a second import changes nothing."""
    other = {
        "1": [Observation("wolf", 3)],
        "2": [Observation("Snow leopard")],
        "3": None,
        "4": [Observation("car")],
        "5": [Observation("nothing")],
    }
    north, south, office = make_station("north"), make_station("south", other, 40), make_empty("office")
    for package in (north.export(), south.export(), north.export()):
        office.take(package)

    assert sorted(map(str, office.told())) == sorted(map(str, [*north.told(), *south.told()]))
    with office.database.reading() as connection:
        assert len(connection.execute(select(surveys.c.name)).all()) == 2
    assert north.take(south.export()).sequences == 5 and len(north.told()) == 10


def test_sequences_without_new_answers_are_not_written(make_station, monkeypatch):
    """A station that imports its own package groups none of its events again."""
    station = make_station("north")
    package = station.export()
    written: list[object] = []
    monkeypatch.setattr("uncia_collector.imports.opinions.apply_standing", lambda *told: written.append(told))
    assert station.take(package).ours == 5 and written == []


def test_one_id_for_two_places_is_refused(make_station, make_empty):
    """Otherwise sequences would get a wrong place."""
    north, south = make_station("north"), make_station("south", {"1": None}, 40)
    (south.root / "places.csv").write_text(PLACES.replace("73.0", "73.3"))
    read_deployments(south.root / "places.csv", south.database)
    with pytest.raises(DataError, match=r"deployment 'd1' of 'Base station': stands more than 0\.2 degrees"):
        north.take(south.export())
    assert len(north.told()) == 5


def test_answers_of_the_office_are_imported_by_the_field_station(make_station, make_empty):
    """No sequence is imported again; an office's answer counts if nobody here has answered, else it is only kept."""
    field, office = make_station("field"), make_empty("office")
    office.take(field.export())
    with office.database.reading() as connection:
        keys = [
            tuple(row)
            for row in connection.execute(select(sequences.c.trap, sequences.c.id).order_by(sequences.c.started_at))
        ]
    for key in keys[1:3]:
        review(office.database, key, "relabelled", "bek of the office", NOW, "wolf")
    back = office.export()
    counts = field.take(back)
    assert (counts.ours, counts.sequences, counts.answers) == (5, 0, 2)
    assert field.take(back).answers == 0

    stands = [row[7:9] for row in field.told()]
    assert stands[1:3] == [("relabelled", "wolf"), ("relabelled", "fox")]
    undo(field.database, "anara of field")
    undo(field.database, "anara of field")
    undo(field.database, "anara of field")
    assert field.told()[2][7:9] == ("relabelled", "wolf")


def test_a_filter_on_event_level_animals_holds_after_a_merge(make_station, make_empty):
    """Event level has one row for each animal, of the last person who answered here, and none of the machine."""
    field, office = make_station("field"), make_empty("office")
    office.take(field.export())
    with office.database.reading() as connection:
        key = tuple(
            connection.execute(select(sequences.c.trap, sequences.c.id).order_by(sequences.c.started_at)).first()
        )
    review(office.database, key, "relabelled", "bek", NOW, "manul")
    with zipfile.ZipFile(office.export()) as package:
        lines = package.read("observations.csv").decode().splitlines()
    animals = [line for line in lines if ",event,animal," in line]
    assert sorted(line.split(",")[9] for line in animals) == ["Otocolobus manul", "Vulpes vulpes"]
    assert not [line for line in lines if ",event," in line and ",machine," in line]
