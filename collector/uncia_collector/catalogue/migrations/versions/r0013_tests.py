"""Test sightings: sequences that somebody requested, whatever their verdict."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0009"


def upgrade() -> None:
    """Apply."""
    op.add_column("sequences", sa.Column("test", sa.Boolean(), nullable=False, server_default=sa.false()))
    true = "true" if op.get_bind().dialect.name == "postgresql" else "1"
    columns = "started_at, trap, id, standing, called, confidence"
    op.execute(f"CREATE INDEX sequences_test ON sequences ({columns}) WHERE test IS {true}")
