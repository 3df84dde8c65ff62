"""The catalogue's database: migrations and durability."""

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import MetaData, Table, select, text
from sqlalchemy.dialects import sqlite

from uncia_collector.catalogue import gallery, migrations
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.filters import Filters
from uncia_collector.catalogue.schema import frames, metadata, observations, traps
from uncia_collector.catalogue.sql import of_sequences
from uncia_collector.settings import sqlite_url
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import encode


def test_migrations_build_the_schema(stored):
    """The migrated tables are those of `catalogue.schema`."""
    with stored.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


DERIVED = {"alembic_version", "events", "event_months", "unsettled"}  # derived from the others, or Alembic's
REVISIONS = [r.revision for r in ScriptDirectory(str(Path(migrations.__file__).parent)).walk_revisions()]
MOMENT = datetime.fromisoformat("2026-01-01T00:00:00")
BY_TYPE = {
    "VARCHAR": "x", "INTEGER": 1, "BIGINT": 1, "DATETIME": MOMENT, "TIMESTAMP": MOMENT,
    "FLOAT": 0.7, "DOUBLE_PRECISION": 0.7, "DOUBLE PRECISION": 0.7, "BOOLEAN": False, "BLOB": b"x", "BYTEA": b"x",
    "TEXT": "{}",
}  # fmt: skip
FOUND = {
    "positive": True,
    "review": "open",
    "review_label": None,
    "also_called": None,
    "label": "snow_leopard",
    "trap": "ridge",
}  # by the gallery's filters


def example(table: Table, record: bytes) -> dict:
    """A row of a table with a value in every column."""
    own = FOUND | {"record": record} if table.name == "sequences" else {}
    columns = [column for column in table.c if column.computed is None]
    return {c.name: own.get(c.name, BY_TYPE[str(c.type).partition("(")[0]]) for c in columns}


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
@pytest.mark.parametrize("revision", REVISIONS)
def test_an_older_catalogue_is_migrated(request, tmp_path, sent, on, revision):
    """A catalogue of any older uncia keeps every row of every table, and the newer filters find the rows."""
    url = sqlite_url(tmp_path) if on == "sqlite" else request.getfixturevalue("postgresql").new_database()
    old, tables = Database(url), MetaData()
    old.migrate(revision)
    with old.engine.begin() as connection:
        tables.reflect(connection)
        for name in DERIVED & set(tables.tables):
            tables.remove(tables.tables[name])
        rows = {table: example(table, encode(sent.record)) for table in tables.sorted_tables}
        for table, row in rows.items():
            connection.execute(table.insert(), [row])
    old.close()

    new = Database(url)
    new.migrate()
    with new.reading() as connection:
        for table, row in rows.items():
            if table.name == "states":  # no code read this table
                continue
            if table.name == "reviews":  # each review became an answer with one observation
                [kept] = connection.execute(select(observations)).all()
                was = {"said" if name == "label" else name: value for name, value in row.items()} | {"at": kept.at}
                assert kept._asdict() | was == kept._asdict() and kept.answer == was["key"]
                continue
            its_own = (column == row[column.name] for column in table.primary_key)
            [kept] = connection.execute(select(*(table.c[name] for name in row)).where(*its_own)).all()
            assert kept._asdict() == row, table.name
        page = gallery.page(connection, Filters(state="open", min_score=0.7, label="snow_leopard"), UTC)
        assert [found.id for found in page.rows] == ["x"]
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []
    new.close()


def test_newer_catalogue_is_refused_in_one_line(on_sqlite):
    """It is not changed; the error says what to do."""
    with on_sqlite.database.writing() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))

    with pytest.raises(StorageError, match="written by a newer uncia; update this one"):
        on_sqlite.database.migrate()


def test_migrating_twice_changes_nothing(stored, sent):
    """A restart does not change the catalogue."""
    stored.commit(*sent.messages())
    again = Database(stored.database.engine.url.render_as_string(hide_password=False))
    again.migrate()

    with again.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM sequences")).scalar_one() == 1
    again.close()


def test_postgresql_compiles_no_queries(postgresql):
    """Its compiler takes up to 100 ms of a page that counts."""
    database = Database(url := postgresql.new_catalogue())
    with database.reading() as connection:
        assert connection.exec_driver_sql("SHOW jit").scalar_one() == "off"
    database.close()
    postgresql.give_back(url)


def test_sqlite_keeps_what_it_committed(on_sqlite):
    """WAL and synchronous=FULL (2): only this pair lost nothing in the power-cut measurements."""
    with on_sqlite.database.reading() as connection:
        pragmas = [connection.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("journal_mode", "synchronous")]
    assert pragmas == ["wal", 2]


def test_sequences_are_found_by_index(on_sqlite):
    """A batch of a hundred keys never scans a large catalogue (a list of row values did, 25 times slower)."""
    keys = [(f"trap{n % 7}", f"{n}") for n in range(100)]
    query = select(frames.c.n).where(of_sequences(frames.c.trap, frames.c.sequence, keys))
    plan_of = query.compile(dialect=sqlite.dialect(), compile_kwargs={"literal_binds": True})
    with on_sqlite.database.reading() as connection:
        plan = connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {plan_of}").all()

    assert not [step for *_, step in plan if step.startswith("SCAN frames")]


@pytest.mark.parametrize("on", ["sqlite", "postgresql"])
def test_places_in_states_of_release_0_1_are_erased(request, tmp_path, on):
    """The other fields of a state stay."""
    url = sqlite_url(tmp_path) if on == "sqlite" else request.getfixturevalue("postgresql").new_database()
    database = Database(url)
    database.migrate("0009")
    told = b'{"trap":"ridge","latitude":36.9123,"longitude":73.0456,"software":"0.1.0"}'
    row = {"trap": "ridge", "first_seen_at": MOMENT, "last_seen_at": MOMENT, "state": told}
    with database.engine.begin() as connection:
        insert = "INSERT INTO traps (trap, first_seen_at, last_seen_at, gaps_s, state) VALUES"
        connection.execute(text(f"{insert} (:trap, :first_seen_at, :last_seen_at, '', :state)"), row)
    database.migrate()
    with database.reading() as connection:
        kept = connection.execute(select(traps.c.state)).scalar_one()
    database.close()
    assert b"36.9" not in kept and b"73.0" not in kept and b'"software":"0.1.0"' in kept


def test_a_catalogue_is_created_for_its_owner_alone(tmp_path):
    """Also its folder and its log, whatever the process's umask is."""
    before = os.umask(0)
    database = Database(sqlite_url(tmp_path / "data"))
    database.migrate()
    with database.writing() as connection:
        connection.execute(text("CREATE TABLE x (y INTEGER)"))
        modes = {path.name: path.stat().st_mode & 0o077 for path in (tmp_path / "data").glob("catalogue.sqlite*")}
    os.umask(before)
    database.close()
    modes.pop("catalogue.sqlite.lock")
    assert (tmp_path / "data").stat().st_mode & 0o077 == 0
    assert set(modes) >= {"catalogue.sqlite", "catalogue.sqlite-wal"} and set(modes.values()) == {0}


def test_an_error_of_the_database_shows_no_values(stored):
    """Its text is logged, and the values may be places and passwords."""
    with pytest.raises(Exception) as raised, stored.database.reading() as connection:
        connection.execute(text("SELECT * FROM nowhere WHERE latitude = :place"), {"place": 36.9123})
    assert "nowhere" in str(raised.value) and "36.9123" not in str(raised.value)
