"""Events (runs of sequences that show the same), and triggers that note where events must be grouped again."""

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0013"

# The columns that events depend on; an arriving frame changes none of them.
_CHANGES = "started_at, ended_at, positive, label, probabilities, review, review_label"
_NOTE = "INSERT INTO unsettled (trap, since, until) VALUES ({0}.trap, {0}.started_at, {0}.started_at);"


def upgrade() -> None:
    """Apply."""
    key = sa.BigInteger().with_variant(sa.Integer(), "sqlite")
    op.create_table(
        "events",
        sa.Column("trap", sa.String(32), primary_key=True),
        sa.Column("first", sa.String(64), primary_key=True),
        sa.Column("label", sa.String(255), primary_key=True),
        sa.Column("sighting", sa.Boolean(), nullable=False),
        sa.Column("started_at", sa.DateTime(), nullable=False),
        sa.Column("ended_at", sa.DateTime(), nullable=False),
        sa.Column("sequences", sa.Integer(), nullable=False),
    )
    op.create_index("events_ended", "events", ["trap", "ended_at", "started_at"])
    op.create_index("events_sightings", "events", ["sighting", "started_at", "trap", "label"])
    op.create_index("events_of_trap", "events", ["trap", "sighting", "started_at", "label"])
    op.create_index("events_of_label", "events", ["trap", "label", "sighting", "started_at"])
    op.create_table(
        "unsettled",
        sa.Column("key", key, primary_key=True, autoincrement=True),
        sa.Column("trap", sa.String(32), nullable=False),
        sa.Column("since", sa.DateTime(), nullable=False),
        sa.Column("until", sa.DateTime(), nullable=False),
    )
    op.create_table(
        "facts",
        sa.Column("name", sa.String(40), primary_key=True),
        sa.Column("value", sa.String(255), nullable=False),
    )
    on_postgresql = op.get_bind().dialect.name == "postgresql"
    for statement in _on_postgresql() if on_postgresql else _on_sqlite():
        op.execute(statement)
    everything = "SELECT trap, min(started_at), max(started_at) FROM sequences GROUP BY trap"
    op.execute(f"INSERT INTO unsettled (trap, since, until) {everything}")


def _on_sqlite() -> list[str]:
    old, new = _NOTE.format("old"), _NOTE.format("new")
    return [
        f"CREATE TRIGGER sequences_came AFTER INSERT ON sequences BEGIN {new} END",
        f"CREATE TRIGGER sequences_went AFTER DELETE ON sequences BEGIN {old} END",
        f"CREATE TRIGGER sequences_changed AFTER UPDATE OF {_CHANGES} ON sequences BEGIN {old} {new} END",
    ]


def _on_postgresql() -> list[str]:
    body = (
        f"IF TG_OP <> 'INSERT' THEN {_NOTE.format('old')} END IF; "
        f"IF TG_OP <> 'DELETE' THEN {_NOTE.format('new')} END IF; RETURN NULL;"
    )
    when = f"AFTER INSERT OR DELETE OR UPDATE OF {_CHANGES}"
    return [
        f"CREATE FUNCTION uncia_unsettle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$",
        f"CREATE TRIGGER sequences_changed {when} ON sequences FOR EACH ROW EXECUTE FUNCTION uncia_unsettle()",
    ]
