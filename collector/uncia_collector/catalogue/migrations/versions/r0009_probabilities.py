"""The probability of each positive label, for bundles with several."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Apply."""
    op.add_column("sequences", sa.Column("probabilities", sa.Text(), nullable=True))
