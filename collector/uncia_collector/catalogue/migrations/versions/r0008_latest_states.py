"""Drop the older states of traps: nothing read them, and their number was not limited."""

from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Apply."""
    op.drop_table("states")
