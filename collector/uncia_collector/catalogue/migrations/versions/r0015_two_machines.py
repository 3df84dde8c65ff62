"""The latest boots of each trap, to notice two machines with one id."""

import sqlalchemy as sa
from alembic import op

revision = "0015"
down_revision = "0010"


def upgrade() -> None:
    """Apply."""
    op.add_column("traps", sa.Column("boots", sa.String(600), nullable=False, server_default=""))
    op.add_column("traps", sa.Column("doubled_at", sa.DateTime(), nullable=True))
