"""A longer column for roles: on PostgreSQL, `administrator` did not fit."""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Apply."""
    with op.batch_alter_table("users") as users:
        users.alter_column("role", type_=sa.String(16), existing_type=sa.String(12), existing_nullable=False)
