"""The other labels of sequences whose standing answer names several taxa."""

import json
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0021"
down_revision = "0020"

_NAMED = """
SELECT o.trap, o.sequence, o.answer, o.observation, o.verdict, o.taxon, s.called
FROM observations o JOIN sequences s ON s.trap = o.trap AND s.id = o.sequence
WHERE o.undone IS {false} AND EXISTS (
  SELECT 1 FROM observations p
  WHERE p.trap = o.trap AND p.sequence = o.sequence AND p.answer = o.answer AND p.key <> o.key)
ORDER BY o.trap, o.sequence, o.key
"""


def upgrade() -> None:
    """Apply."""
    connection = op.get_bind()
    on_postgresql = connection.dialect.name == "postgresql"
    op.add_column("sequences", sa.Column("also_called", sa.Text(), nullable=True))
    named: dict[tuple[str, str], list[sa.Row[Any]]] = {}
    for row in connection.execute(sa.text(_NAMED.format(false="false" if on_postgresql else "0"))):
        named.setdefault((row.trap, row.sequence), []).append(row)
    # `review` is set to what it is, so that the triggers note the sequence and its events are made anew.
    change = sa.text("UPDATE sequences SET review = review, also_called = :labels WHERE trap = :trap AND id = :id")
    for (trap, sequence), rows in named.items():
        if labels := _others(connection, rows):
            values = {"labels": json.dumps(labels, ensure_ascii=False, separators=(",", ":")), "trap": trap}
            connection.execute(change, values | {"id": sequence})
    columns = "also_called, started_at, trap, id"
    op.execute(f"CREATE INDEX sequences_of_several ON sequences ({columns}) WHERE also_called IS NOT NULL")


def _others(connection: sa.Connection, rows: list[sa.Row[Any]]) -> list[str]:
    """The further taxa of the answer that stands; none where that is another answer, of one observation."""
    query = sa.text("SELECT answer, observation FROM observations WHERE trap = :trap AND sequence = :id AND NOT undone")
    told = connection.execute(query, {"trap": rows[0].trap, "id": rows[0].sequence})
    newest = max((row.observation is None, row.answer) for row in told)
    standing = [row for row in rows if (row.observation is None, row.answer) == newest]
    labels = dict.fromkeys(row.taxon for row in standing if row.verdict == "relabelled")
    return [label for label in labels if label != rows[0].called]
