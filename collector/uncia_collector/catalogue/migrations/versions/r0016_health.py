"""Each trap's health by hour; the history begins with this migration."""

import sqlalchemy as sa
from alembic import op

revision = "0016"
down_revision = "0015"


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "health",
        sa.Column("trap", sa.String(32), primary_key=True),
        sa.Column("hour", sa.DateTime(), primary_key=True),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("battery_v", sa.Float(), nullable=True),
        sa.Column("temperature_c", sa.Float(), nullable=True),
        sa.Column("outbox_sequences", sa.Integer(), nullable=True),
    )
