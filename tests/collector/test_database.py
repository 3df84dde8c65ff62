"""The catalogue's database: migrations and durability."""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import select, text
from sqlalchemy.dialects import sqlite

from uncia_collector.database import Database
from uncia_collector.keys import of_sequences
from uncia_collector.schema import frames, metadata


def test_migrations_lead_to_the_schema(stored):
    """What the migrations build is what the program expects."""
    with stored.database.reading() as connection:
        assert compare_metadata(MigrationContext.configure(connection), metadata) == []


def test_migrating_twice_changes_nothing(stored, sent):
    """A restart keeps the catalogue."""
    stored.take(*sent.wires())
    again = Database(stored.database.engine.url.render_as_string(hide_password=False))
    again.migrate()

    with again.reading() as connection:
        assert connection.execute(text("SELECT count(*) FROM sequences")).scalar_one() == 1
    again.close()


def test_sqlite_keeps_what_it_committed(on_sqlite):
    """WAL and synchronous=FULL (2): the only pair that lost nothing in the power-cut measurements."""
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
