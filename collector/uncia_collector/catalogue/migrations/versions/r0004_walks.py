"""Generated columns for the gallery's filters, and an index for each walk (`catalogue.filters`)."""

from alembic import op

revision = "0004"
down_revision = "0003"

_ARMS = " ".join(f"WHEN confidence >= {number / 20} THEN {number}" for number in range(20, 0, -1))
_COLUMNS = {
    "standing": (
        "VARCHAR(12)",
        "CASE WHEN review <> 'open' THEN review WHEN positive THEN 'open' ELSE 'passed' END",
    ),
    "called": ("VARCHAR(255)", "coalesce(review_label, label)"),
    "score_band": ("INTEGER", f"CASE {_ARMS} ELSE 0 END"),
}
_IN_TIME = ["started_at", "trap", "id"]


def upgrade() -> None:
    """Apply."""
    # SQLite can add virtual columns only, PostgreSQL before 18 knows stored ones only.
    kept = "STORED" if op.get_bind().dialect.name == "postgresql" else "VIRTUAL"
    for name, (kind, expression) in _COLUMNS.items():
        op.execute(f"ALTER TABLE sequences ADD COLUMN {name} {kind} GENERATED ALWAYS AS ({expression}) {kept}")
    for index in ("sequences_trap", "sequences_review", "sequences_audit", "sequences_completed"):
        op.drop_index(index, "sequences")
    op.create_index("sequences_trap", "sequences", ["trap", "started_at", "id", "standing", "called", "confidence"])
    op.create_index("sequences_standing", "sequences", ["standing", *_IN_TIME, "confidence"])
    op.create_index("sequences_scored", "sequences", ["standing", "score_band", *_IN_TIME, "confidence"])
    op.create_index("sequences_called", "sequences", ["called", "standing", *_IN_TIME, "confidence"])
    op.create_index(
        "sequences_called_scored", "sequences", ["called", "standing", "score_band", *_IN_TIME, "confidence"]
    )
    columns, true = "started_at, trap, id, standing, called, confidence", "true" if kept == "STORED" else "1"
    op.execute(f"CREATE INDEX sequences_audit ON sequences ({columns}) WHERE audit IS {true}")
    op.execute(f"CREATE INDEX sequences_incomplete ON sequences ({columns}) WHERE completed_at IS NULL")
