"""The clock error of each deployment, and how far each sequence was moved because of it."""

import sqlalchemy as sa
from alembic import op

revision = "0014"
down_revision = "0012"


def upgrade() -> None:
    """Apply."""
    for table in ("deployments", "sequences"):
        op.add_column(table, sa.Column("clock_shift_s", sa.Float(), nullable=False, server_default="0"))
