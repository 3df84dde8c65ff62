"""Starts of events packed by month, and hours of traps packed by day, so that years are counted fast."""

import sqlalchemy as sa
from alembic import op

revision = "0017"
down_revision = "0016"

_HEALTH = sa.table("health", sa.column("trap"), sa.column("hour", sa.DateTime()), sa.column("kind"))
_LETTERS = {"awake": "a", "blind": "b", "ran": "r", "asleep": "s"}


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "event_months",
        sa.Column("trap", sa.String(32), primary_key=True),
        sa.Column("label", sa.String(255), primary_key=True),
        sa.Column("sighting", sa.Boolean(), primary_key=True),
        sa.Column("month", sa.String(7), primary_key=True),
        sa.Column("starts", sa.LargeBinary(), nullable=False),
    )
    op.create_table(
        "health_days",
        sa.Column("trap", sa.String(32), primary_key=True),
        sa.Column("day", sa.String(10), primary_key=True),
        sa.Column("hours", sa.String(24), nullable=False),
    )
    everything = "SELECT trap, min(started_at), max(started_at) FROM sequences GROUP BY trap"
    op.execute(f"INSERT INTO unsettled (trap, since, until) {everything}")  # settled, and so packed, with the migration
    days: dict[tuple[str, str], list[str]] = {}
    for trap, hour, kind in op.get_bind().execute(sa.select(_HEALTH)):
        days.setdefault((trap, f"{hour:%Y-%m-%d}"), ["."] * 24)[hour.hour] = _LETTERS.get(kind, ".")
    table = sa.table("health_days", sa.column("trap"), sa.column("day"), sa.column("hours"))
    op.bulk_insert(table, [{"trap": trap, "day": day, "hours": "".join(of)} for (trap, day), of in days.items()])
