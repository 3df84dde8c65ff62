"""The camera of a hub's sequences and events."""

import sqlalchemy as sa
from alembic import op

revision = "0020"
down_revision = "0019"


def upgrade() -> None:
    """Apply."""
    for table in ("sequences", "events"):
        op.add_column(table, sa.Column("camera", sa.String(64), nullable=False, server_default=""))
