"""Notes name the added sequence, so that it joins its event without reading the event's other sequences."""

import sqlalchemy as sa
from alembic import op

revision = "0018"
down_revision = "0017"

_CAME = (
    "INSERT INTO unsettled (trap, since, until, sequence) VALUES (new.trap, new.started_at, new.started_at, new.id);"
)
_OTHERWISE = "INSERT INTO unsettled (trap, since, until) VALUES ({0}.trap, {0}.started_at, {0}.started_at);"


def upgrade() -> None:
    """Apply."""
    op.add_column("unsettled", sa.Column("sequence", sa.String(64), nullable=True))
    if op.get_bind().dialect.name == "postgresql":
        body = (
            f"IF TG_OP = 'INSERT' THEN {_CAME} RETURN NULL; END IF; {_OTHERWISE.format('old')} "
            f"IF TG_OP = 'UPDATE' THEN {_OTHERWISE.format('new')} END IF; RETURN NULL;"
        )
        op.execute(
            f"CREATE OR REPLACE FUNCTION uncia_unsettle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {body} END $$"
        )
        return
    op.execute("DROP TRIGGER sequences_came")
    op.execute(f"CREATE TRIGGER sequences_came AFTER INSERT ON sequences BEGIN {_CAME} END")
