"""After an import of release 0.1: newer packages of the same station, and our own exports, bring no copies."""

import io
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.review import observations_of, review
from uncia_collector.catalogue.schema import frames, sequences, surveys
from uncia_collector.exports.camtrap_dp import write_camtrap_dp
from uncia_collector.imports.package import CamtrapPackage
from uncia_collector.imports.survey import SurveyImport
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.observations.standing import standing
from uncia_collector.settings import sqlite_url

NOW = datetime(2026, 12, 2, tzinfo=UTC)


class Office:
    """A catalogue that imports packages and exports them."""

    def __init__(self, database: Database, root: Path) -> None:
        self.database, self.root = database, root

    def take(self, package: Path):
        with CamtrapPackage(package) as read:
            return SurveyImport(read, self.database, FrameFolder(self.root), NOW).run()

    def export(self, name: str = "out.zip", pictures: bool = True, exact: bool = False) -> Path:
        stream = io.BytesIO()
        with self.database.reading() as connection:
            write_camtrap_dp(connection, stream, "Base station", NOW, exact, pictures, self.root)
        (self.root / name).write_bytes(stream.getvalue())
        return self.root / name

    def keys(self) -> list[tuple[str, str]]:
        query = select(sequences.c.trap, sequences.c.id).order_by(sequences.c.started_at)
        with self.database.reading() as connection:
            return [tuple(row) for row in connection.execute(query)]

    def told(self) -> list[tuple]:
        """Each sequence with its frames, its state and who said what."""
        with self.database.reading() as connection:
            rows = connection.execute(select(sequences).order_by(sequences.c.started_at)).all()
            said = observations_of(connection, [(row.trap, row.id) for row in rows])
        return [
            (row.trap, row.started_at, row.frames, row.frames_stored, row.label, row.review, row.review_label,
             [(one.reviewer, one.verdict, one.taxon) for one in standing(said.get((row.trap, row.id), ()))])
            for row in rows
        ]  # fmt: skip


@pytest.fixture
def office(stored, tmp_path):
    """A catalogue with an id, on either database."""
    (tmp_path / "office").mkdir()
    stored.database.migrate()  # an id of its own
    return Office(stored.database, tmp_path / "office")


@pytest.fixture
def make_office(tmp_path):
    """Makes another catalogue, empty."""

    def make(name: str) -> Office:
        (tmp_path / name).mkdir()
        database = Database(sqlite_url(tmp_path / name))
        database.migrate()
        return Office(database, tmp_path / name)

    return make


@pytest.fixture(params=["station", "visit"])
def old(request, release):
    """The package of release 0.1, and its station with the present code."""
    root = release / request.param
    database = Database(sqlite_url(root))
    database.migrate()
    yield release / "packages" / f"{request.param}.zip", Office(database, root)
    database.close()


SEQUENCES = {"station": 2, "visit": 3}


def test_a_newer_export_of_its_station_brings_no_copies(old, office):
    """Two sequences, and three that release 0.1 exported as one event: each is here once, as the station has it."""
    package, station = old
    office.take(package)
    mine = [row for row in station.told() if row[0] != "spring"]  # spring has no deployment, so it is not exported
    for _ in range(2):
        counts = office.take(station.export())
        assert office.told() == [(*row[:2], row[3], *row[3:]) for row in mine]
        assert len(office.keys()) == len(set(office.keys())) == SEQUENCES[package.stem] == counts.sequences
    assert counts.unchanged == counts.sequences


def test_the_old_package_after_the_new_one_changes_nothing(old, office):
    """Its events are coarser: the sequences that are here already stay as they are."""
    package, station = old
    for one in (package, station.export(), package):
        counts = office.take(one)
        told = office.told()
        if one != package:
            newer = told
    assert told == newer and counts.unchanged == counts.sequences and counts.answers == 0


def test_the_old_package_alone_imports_as_it_did(old, office):
    """The first import brings everything; the second changes nothing."""
    package, _ = old
    first = office.take(package)
    again = office.take(package)
    assert (first.unchanged, again.unchanged) == (0, again.sequences) and again.answers == 0


def test_importing_our_own_export_of_it_changes_nothing(old, office):
    """Also with exact places, and with a second survey in the catalogue, which puts a name before each id."""
    package, _ = old
    office.take(package)
    before = office.told()
    for exact in (False, True):
        counts = office.take(office.export(exact=exact))
        assert (office.told(), counts.answers) == (before, 0)
        assert counts.unchanged == counts.sequences == len(before)
    with office.database.writing() as connection:
        other = {"name": "other", "title": "Other", "imported_at": NOW, "description": b"{}"}
        connection.execute(
            surveys.insert(), [other | dict.fromkeys(("sequences", "media", "media_stored", "observations"), 0)]
        )
    assert office.take(office.export()).unchanged == len(before) and office.told() == before


def test_new_answers_of_another_catalogue_are_imported(old, office, make_office):
    """A third catalogue imports it from us, and somebody there answers: its export brings one answer, no sequence."""
    package, _ = old
    office.take(package)
    third = make_office("third")
    third.take(office.export())
    review(third.database, third.keys()[0], "relabelled", "bek", NOW, "wolf")
    counts = office.take(third.export())
    assert (counts.answers, len(office.keys())) == (1, len(third.keys()))
    assert office.told()[0][5:7] == ("relabelled", "wolf")
    assert office.take(third.export()).answers == 0


def test_answers_given_here_are_kept(old, office):
    """The station's newer package does not replace them."""
    package, station = old
    office.take(package)
    review(office.database, office.keys()[0], "relabelled", "bek", NOW, "manul")
    office.take(station.export())
    assert office.told()[0][5:] == ("relabelled", "manul", [("bek", "relabelled", "manul")])


def test_without_pictures_it_is_known_by_its_ids(old, office):
    """An export without pictures (the default) is recognised by the ids of its media."""
    package, station = old
    office.take(package)
    office.take(station.export(pictures=False))
    assert len(office.keys()) == SEQUENCES[package.stem]


def test_other_pictures_of_the_same_names_are_other_sequences(old, office, make_jpeg):
    """Two stations use the same ids and no tags: the pictures differ, so the sequences do."""
    package, station = old
    office.take(package)
    for n, path in enumerate(sorted(station.root.glob("frames/**/*.jpg"))):
        path.write_bytes(make_jpeg(40 + n))
    before = len(office.keys())
    office.take(station.export())
    assert len(office.keys()) == before + SEQUENCES[package.stem]


def test_a_picture_that_was_erased_stays_erased(old, office):
    """Whichever package brings it again, the summary counts it; the rows stay."""
    package, station = old
    office.take(package)
    with office.database.writing() as connection:
        for path in connection.execute(select(frames.c.path)).scalars():
            (office.root / path).unlink()
        connection.execute(frames.update().values(status="erased", path=None))
    shutil.rmtree(office.root / "frames")
    for one in (package, station.export()):
        counts = office.take(one)
        assert not [*office.root.glob("frames/**/*.jpg")] and counts.media_stored == 0
    assert counts.media_erased or counts.media_known
    assert "erased here before" in counts.summary
