"""Planned sleeps stored apart from other silences, because a trap that sleeps is not overdue."""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Apply."""
    op.add_column("traps", sa.Column("sleeps_s", sa.String(2000), nullable=False, server_default=""))
