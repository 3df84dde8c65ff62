"""Indexes for the gallery's rarer filters: audits, and sequences whose frames are under way."""

from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Apply."""
    op.create_index("sequences_audit", "sequences", ["audit", "started_at", "trap", "id"])
    op.create_index("sequences_completed", "sequences", ["completed_at", "started_at", "trap", "id"])
