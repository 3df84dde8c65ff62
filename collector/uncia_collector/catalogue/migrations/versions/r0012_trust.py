"""Secrets of the collectors of one catalogue; the access log; places are removed from traps' states."""

import json

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "secrets",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(64), nullable=False),
    )
    op.create_table(
        "accesses",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("address", sa.String(64), nullable=False),
        sa.Column("what", sa.String(24), nullable=False),
        sa.Column("detail", sa.String(200), nullable=False),
    )
    _erase_places()


def _erase_places() -> None:
    traps = sa.table("traps", sa.column("trap"), sa.column("state"))
    connection = op.get_bind()
    for trap, state in connection.execute(sa.select(traps.c.trap, traps.c.state).where(traps.c.state.is_not(None))):
        try:
            told = json.loads(state)
        except ValueError:
            continue
        if told.get("latitude") is not None or told.get("longitude") is not None:
            told |= {"latitude": None, "longitude": None}
            erased = json.dumps(told, separators=(",", ":")).encode()
            connection.execute(sa.update(traps).where(traps.c.trap == trap).values(state=erased))
