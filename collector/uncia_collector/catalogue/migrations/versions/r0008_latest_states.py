"""Only a trap's latest state is kept: nothing read the older ones, and they grew for ever."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply."""
    op.drop_table("states")
