"""Imported sequences of a hub's camera are stored as the hub's own are: trap and camera in two columns."""

import hashlib

import sqlalchemy as sa
from alembic import op

revision = "0023"
down_revision = "0022"

_MOVES = (
    "UPDATE sequences SET trap = :hub, camera = :camera, id = :new WHERE trap = :name AND id = :id",
    "UPDATE frames SET trap = :hub, sequence = :new WHERE trap = :name AND sequence = :id",
    "UPDATE observations SET trap = :hub, sequence = :new WHERE trap = :name AND sequence = :id",
)
_IDS = "SELECT id FROM sequences WHERE trap = :trap ORDER BY id"
_NOTE = (
    "INSERT INTO unsettled (trap, since, until) "
    "SELECT trap, min(started_at), max(started_at) FROM sequences WHERE trap = :hub GROUP BY trap"
)


def upgrade() -> None:
    """Apply. Files of pictures stay in place: `frames.path` has their paths."""
    connection = op.get_bind()
    names = connection.execute(sa.text("SELECT DISTINCT trap FROM sequences WHERE trap LIKE '%/%'")).scalars()
    for name in sorted(names):
        hub, _, camera = name.partition("/")
        taken = set(connection.execute(sa.text(_IDS), {"trap": hub}).scalars())
        moved = {"name": name, "hub": hub, "camera": camera}
        ids = connection.execute(sa.text(_IDS), {"trap": name}).scalars()
        moves = [moved | {"id": known, "new": _free(name, known, taken)} for known in ids]
        for change in _MOVES:
            connection.execute(sa.text(change), moves)
        for table in ("events", "event_months", "unsettled"):  # settled, and so packed, with the migration
            connection.execute(sa.text(f"DELETE FROM {table} WHERE trap = :name"), moved)  # noqa: S608 - our own names
        connection.execute(sa.text(_NOTE), moved)


def _free(name: str, known: str, taken: set[str]) -> str:
    """The sequence's id; another one if the same event was also imported for another camera of the hub."""
    if known not in taken:
        return known
    mark = hashlib.sha256(f"{name}/{known}".encode()).hexdigest()[:12]
    return f"{known[:50]}-{mark}"
