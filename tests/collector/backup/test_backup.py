"""Backup and restore: the restored station has all rows and pictures, also if messages arrive during the backup."""

import hashlib
import io
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image
from sqlalchemy import func, select

from uncia_collector.backup.restoring import restore
from uncia_collector.backup.saving import save
from uncia_collector.catalogue.clocks.correction import shift_clock
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.deployments import read_deployments
from uncia_collector.catalogue.people import People
from uncia_collector.catalogue.review import review
from uncia_collector.catalogue.schema import frames, metadata, sequences
from uncia_collector.cli.main import main
from uncia_collector.effort.hours import note_listening
from uncia_collector.exports.kinds import KINDS, Request, export
from uncia_collector.ingest.frame_folder import FrameFolder
from uncia_collector.ingest.store import Store
from uncia_collector.ingest.wire_messages import RawMessage, parse_message
from uncia_collector.settings import sqlite_url
from uncia_contract.errors import DataError

NOW = datetime(2026, 11, 23, 6, tzinfo=UTC)


def rows_of(database: Database) -> dict[str, list[tuple]]:
    """Every row of every table."""
    with database.reading() as connection:
        return {
            table.name: sorted((tuple(row) for row in connection.execute(select(table))), key=repr)
            for table in metadata.sorted_tables
        }


def files_of(root: Path) -> dict[str, bytes]:
    """Every picture."""
    known = [*root.glob("frames/**/*.jpg"), *root.glob("quarantine/**/*.jpg")]
    return {str(path.relative_to(root)): path.read_bytes() for path in known}


def exports_of(database: Database, root: Path) -> dict[str, bytes]:
    """Every export that is the same for the same catalogue."""
    found = {}
    with database.reading() as connection:
        for kind in sorted({*KINDS} - {"camtrap-dp"}):
            stream = io.BytesIO()
            export(kind, Request(connection, "Station", root, NOW), stream)
            found[kind] = stream.getvalue()
    return found


@pytest.fixture
def station(stored, sent, make_sequence, make_jpeg, tmp_path):
    """A station with something in every table that people and traps fill."""
    stored.database.migrate()  # the emptied catalogue of a test lacks its own id
    stored.commit(*sent.messages(), *make_sequence(id="2", pictures=[make_jpeg(3), b"no JPEG"]).messages())
    half = make_sequence(id="half", pictures=[make_jpeg(4), make_jpeg(5)])
    stored.commit(half.record_message(), *half.chunk_messages(1), *half.chunk_messages(0, 500)[:1])
    stored.commit(RawMessage("uncia/v1/ridge/nonsense", b"\xff"))
    People(stored.database).set_user("anara", "snow and rocks", "administrator", NOW)
    review(stored.database, ("ridge", "2"), "relabelled", "anara", NOW, "wolf")
    (tmp_path / "places.csv").write_text(
        "deploymentID,latitude,longitude,deploymentStart,cameraID\nd1,36.9123,73.0456,2026-01-01,ridge\n"
    )
    read_deployments(tmp_path / "places.csv", stored.database)
    shift_clock(stored.database, "d1", timedelta(hours=2))
    with stored.database.writing() as connection:
        note_listening(connection, NOW)
    return stored


@pytest.fixture
def elsewhere(request, tmp_path_factory):
    """An empty place for a station, on either database."""
    made = []

    def make(on: str) -> tuple[Database, Path]:
        root = tmp_path_factory.mktemp("restored")
        url = sqlite_url(root) if on == "sqlite" else request.getfixturevalue("postgresql").new_database()
        made.append(Database(url))
        return made[-1], root

    yield make
    for database in made:
        database.close()


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
def test_a_restore_brings_back_everything(station, elsewhere, tmp_path, on):
    """All rows, all pictures byte for byte, the same exports, between both databases; new rows get new numbers."""
    done = save(station.database, station.root, tmp_path / "backup")
    database, root = elsewhere(on)
    back = restore(tmp_path / "backup", database, root)

    assert (done.trouble, back.trouble, done.copied, back.copied) == ([], [], 5, 5)
    assert rows_of(database) == rows_of(station.database)
    assert files_of(root) == files_of(station.root) and len(files_of(root)) == 5
    assert exports_of(database, root) == exports_of(station.database, station.root)
    assert People(database).log_in("anara", "snow and rocks", NOW)
    before = rows_of(database)["observations"]
    review(database, ("ridge", "000001"), "confirmed", "anara", NOW)
    assert len(rows_of(database)["observations"]) == len(before) + 1


def test_a_restored_station_continues_an_unfinished_sequence(station, elsewhere, tmp_path, make_sequence, make_jpeg):
    """A trap that sends the rest of a sequence gets the receipt for the whole sequence."""
    save(station.database, station.root, tmp_path / "backup")
    database, root = elsewhere("sqlite")
    restore(tmp_path / "backup", database, root)
    half = make_sequence(id="half", pictures=[make_jpeg(4), make_jpeg(5)])
    rest = [parse_message(message) for message in half.chunk_messages(0, 500)[1:]]

    [answer] = Store(database, FrameFolder(root)).commit(rest, NOW)
    assert answer.receipt.complete


def test_the_second_backup_copies_only_what_is_new(station, elsewhere, tmp_path, make_sequence, make_jpeg):
    """New pictures, and those whose copy was lost."""
    folder = tmp_path / "backup"
    save(station.database, station.root, folder)
    again = save(station.database, station.root, folder)
    station.commit(*make_sequence(id="new", pictures=[make_jpeg(9)]).messages())
    next(folder.glob("frames/ridge/*/2.000.jpg")).unlink()
    third = save(station.database, station.root, folder)
    database, root = elsewhere("sqlite")
    restore(folder, database, root)

    assert (again.copied, third.copied, third.pictures) == (0, 2, 6)
    assert rows_of(database) == rows_of(station.database) and files_of(root) == files_of(station.root)


def test_a_picture_that_was_replaced_is_copied_anew(station, tmp_path):
    """Same path and same size, as in a newer package of a survey, but another sha256."""
    save(station.database, station.root, tmp_path / "backup")
    picture = next(station.root.glob("frames/ridge/*/2.000.jpg"))
    content = picture.read_bytes()[::-1]
    picture.write_bytes(content)
    there = frames.c.sequence == "2", frames.c.n == 0
    with station.database.writing() as connection:
        connection.execute(frames.update().where(*there).values(sha256=hashlib.sha256(content).hexdigest()))

    assert save(station.database, station.root, tmp_path / "backup").copied == 1
    assert files_of(tmp_path / "backup") == files_of(station.root)


@pytest.mark.heavy
def test_a_backup_while_messages_are_stored_is_consistent(stored, elsewhere, tmp_path, make_sequence):
    """Each backup holds the first sequences completely and none in part; the last backup holds all."""
    buffer = io.BytesIO()
    Image.new("RGB", (8, 8)).save(buffer, "JPEG")
    begun, going = threading.Event(), threading.Event()
    going.set()
    sent: list[str] = []

    def ingest() -> None:
        database = Database(str(stored.database.engine.url.render_as_string(hide_password=False)))
        store = Store(database, FrameFolder(stored.root))
        while going.is_set() or len(sent) < 60:
            known = f"s{len(sent):05}"
            at = NOW + timedelta(minutes=7 * len(sent))
            one = make_sequence(id=known, pictures=[buffer.getvalue()] * 2, started_at=at)
            store.commit([parse_message(message) for message in one.messages()], at)
            sent.append(known)
            begun.set()
        database.close()

    stored.database.migrate()
    thread = threading.Thread(target=ingest)
    thread.start()
    begun.wait(60)
    counts = []
    for number in range(4):
        assert save(stored.database, stored.root, tmp_path / "backup").trouble == []
        database, root = elsewhere("sqlite")
        assert restore(tmp_path / "backup", database, root).trouble == []
        with database.reading() as connection:
            known = connection.execute(select(sequences.c.id).order_by(sequences.c.id)).scalars().all()
            whole = connection.execute(select(func.count()).where(frames.c.status == "stored")).scalar_one()
        assert known == sent[: len(known)] and whole == len(files_of(root)) == 2 * len(known), number
        counts.append(len(known))
    going.clear()
    thread.join()
    save(stored.database, stored.root, tmp_path / "backup")
    database, root = elsewhere("sqlite")
    restore(tmp_path / "backup", database, root)

    assert counts == sorted(counts) and counts[0] < counts[-1] < len(sent)
    assert rows_of(database) == rows_of(stored.database) and files_of(root) == files_of(stored.root)


@pytest.mark.parametrize("stored", ["sqlite"], indirect=True)  # the command is the same
def test_missing_and_damaged_pictures_are_named_each_time(station, tmp_path, capsys):
    """With path and reason; the others are copied, and the exit code is 1."""
    next(station.root.glob("frames/ridge/*/2.000.jpg")).unlink()
    damaged = next(station.root.glob("frames/ridge/*/000001.000.jpg"))
    damaged.write_bytes(damaged.read_bytes()[:-1] + b"\0")
    codes = [main(["backup", str(tmp_path / "b"), "--data", str(station.root)]) for _ in range(2)]

    told = capsys.readouterr()
    assert codes == [1, 1] and told.err.count("2.000.jpg: No such file") == 2
    assert told.err.count("000001.000.jpg: its sha256 differs from the catalogue's") == 2
    assert told.out.count("; 2 are missing or damaged") == 2 and [*(tmp_path / "b").glob("frames/ridge/*/*.damaged")]


def test_an_interrupted_backup_leaves_the_former_one(station, elsewhere, tmp_path, monkeypatch, make_sequence):
    """The catalogue is replaced last; the next backup completes the work."""
    folder = tmp_path / "backup"
    save(station.database, station.root, folder)
    before = rows_of(station.database)
    station.commit(*make_sequence(id="new").messages())
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr("uncia_collector.backup.saving.os.sync", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
        save(station.database, station.root, folder)
    database, root = elsewhere("sqlite")
    restore(folder, database, root)
    assert rows_of(database) == before
    assert save(station.database, station.root, folder).trouble == []


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
def test_nothing_is_overwritten(station, elsewhere, tmp_path, on):
    """A target that holds a catalogue is refused before any file is written."""
    save(station.database, station.root, tmp_path / "backup")
    database, root = elsewhere(on)
    restore(tmp_path / "backup", database, root)
    before = rows_of(database), files_of(root)

    with pytest.raises(DataError, match="already"):
        restore(tmp_path / "backup", database, root)
    assert (rows_of(database), files_of(root)) == before


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda folder: (folder / "catalogue.sqlite").unlink(), "holds no backup"),
        (lambda folder: (folder / "catalogue.sqlite").write_bytes(b"x" * 5000), "is damaged"),
    ],
    ids=["no catalogue", "no database"],
)
def test_what_is_no_backup_is_refused(on_sqlite, elsewhere, tmp_path, spoil, message):
    """With one line, and no file is made."""
    save(on_sqlite.database, on_sqlite.root, tmp_path / "backup")
    spoil(tmp_path / "backup")
    database, root = elsewhere("sqlite")
    with pytest.raises(DataError, match=message):
        restore(tmp_path / "backup", database, root)
    assert [*root.iterdir()] == []


def test_a_backup_that_names_files_outside_is_refused(on_sqlite, sent, elsewhere, tmp_path):
    """Somebody may have changed the backup."""
    on_sqlite.commit(*sent.messages())
    with on_sqlite.database.writing() as connection:
        connection.execute(frames.update().where(frames.c.n == 0).values(path="../../outside.jpg"))
    with pytest.raises(DataError, match="outside the data folder"):
        save(on_sqlite.database, on_sqlite.root, tmp_path / "backup")


def test_backup_and_restore_by_the_command(on_sqlite, sent, tmp_path, capsys):
    """The commands print what was copied; a mistake gives one line and exit code 2."""
    on_sqlite.commit(*sent.messages())
    data, folder = ["--data", str(on_sqlite.root)], str(tmp_path / "b")
    assert [main(["backup", folder, *data]), main(["backup", folder, *data])] == [0, 0]
    assert main(["restore", folder, "--data", str(tmp_path / "new")]) == 0
    told = capsys.readouterr().out
    assert "catalogue and 2 pictures, 2 copied" in told and "2 pictures, 0 copied (0 bytes)" in told
    assert main(["list", "--data", str(tmp_path / "new")]) == 0
    wrong = (
        ["backup", str(on_sqlite.root), *data],
        ["restore", folder, *data],
        ["restore", str(tmp_path / "none"), "--data", "x"],
    )
    capsys.readouterr()
    assert [main(words) for words in wrong] == [2, 2, 2] and capsys.readouterr().err.count("\n") == 3


def test_only_the_owner_can_read_a_backup_and_a_restored_station(on_sqlite, sent, tmp_path):
    """They hold places and password hashes."""
    on_sqlite.commit(*sent.messages())
    assert main(["backup", str(tmp_path / "b"), "--data", str(on_sqlite.root)]) == 0
    assert main(["restore", str(tmp_path / "b"), "--data", str(tmp_path / "new")]) == 0
    made = [path for name in ("b", "new") for path in (tmp_path / name, *(tmp_path / name).rglob("*"))]
    assert {path.name for path in made if path.stat().st_mode & 0o077} == set()
