"""Each person's own language of the page; empty: what the browser asks for."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("language", sa.String(12), nullable=False, server_default=""))
