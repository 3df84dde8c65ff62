"""Each person's language of the page; empty means the browser's."""

import sqlalchemy as sa
from alembic import op

revision = "0019"
down_revision = "0018"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("users") as users:
        users.add_column(sa.Column("language", sa.String(12), nullable=False, server_default=""))
