"""Imported surveys: the survey of each imported sequence, deployment and answer."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Apply."""
    for table in ("sequences", "deployments"):
        op.add_column(table, sa.Column("origin", sa.String(64), nullable=False, server_default=""))
    op.add_column("deployments", sa.Column("standard", sa.LargeBinary(), nullable=True))
    op.add_column("reviews", sa.Column("observation", sa.String(255), nullable=True))
    op.create_table(
        "surveys",
        sa.Column("name", sa.String(64), primary_key=True),
        sa.Column("title", sa.String(255), nullable=False),
        sa.Column("imported_at", sa.DateTime(), nullable=False),
        sa.Column("description", sa.LargeBinary(), nullable=False),
        *(sa.Column(name, sa.Integer(), nullable=False) for name in ("sequences", "media", "media_stored")),
        sa.Column("observations", sa.Integer(), nullable=False),
    )
