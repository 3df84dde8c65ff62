"""The first and last sign of life of each hub's cameras; starts of events packed by camera."""

import sqlalchemy as sa
from alembic import op

revision = "0022"
down_revision = "0021"


def upgrade() -> None:
    """Apply. Of cameras whose sequences came before, the times of these count, by the station's clock."""
    op.create_table(
        "camera_signs",
        sa.Column("trap", sa.String(32), primary_key=True),
        sa.Column("camera", sa.String(64), primary_key=True),
        sa.Column("first_at", sa.DateTime(), nullable=False),
        sa.Column("last_at", sa.DateTime(), nullable=False),
    )
    of_cameras = "FROM sequences WHERE camera <> ''"
    op.execute(
        "INSERT INTO camera_signs (trap, camera, first_at, last_at) "
        f"SELECT trap, camera, min(received_at), max(received_at) {of_cameras} GROUP BY trap, camera"
    )
    with op.batch_alter_table("event_months") as months:
        months.alter_column("trap", type_=sa.String(64), existing_type=sa.String(32), existing_nullable=False)
    op.execute("DELETE FROM event_months WHERE trap IN (SELECT trap FROM sequences WHERE camera <> '')")
    everything = f"SELECT trap, min(started_at), max(started_at) {of_cameras} GROUP BY trap"
    op.execute(f"INSERT INTO unsettled (trap, since, until) {everything}")  # settled, and so packed, with the migration
