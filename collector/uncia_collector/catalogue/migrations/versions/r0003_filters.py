"""Indexes for two filters of the gallery: audits, and incomplete sequences."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.create_index("sequences_audit", "sequences", ["audit", "started_at", "trap", "id"])
    op.create_index("sequences_completed", "sequences", ["completed_at", "started_at", "trap", "id"])
