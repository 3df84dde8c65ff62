"""Observations replace reviews: taxon, count, sex, life stage, certainty and note; an answer may have several."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0014"

_MOVE = """
INSERT INTO observations (key, trap, sequence, answer, reviewer, at, verdict, taxon, said, sex, life_stage, certainty,
                          note, undone, observation)
SELECT r.key, r.trap, r.sequence, r.key, r.reviewer, r.at, r.verdict,
       CASE r.verdict WHEN 'confirmed' THEN s.label WHEN 'relabelled' THEN r.label END, r.label, '', '', '',
       '', r.undone, r.observation
FROM reviews r LEFT JOIN sequences s ON s.trap = r.trap AND s.id = r.sequence
"""
_NEXT_KEY = (
    "SELECT setval(pg_get_serial_sequence('observations', 'key'), max(key)) FROM observations HAVING max(key) > 0"
)


def upgrade() -> None:
    """Apply. Each review is an answer of one observation; its key is the answer's number."""
    op.create_table(
        "observations",
        sa.Column("key", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("trap", sa.String(32), nullable=False),
        sa.Column("sequence", sa.String(64), nullable=False),
        sa.Column("answer", sa.BigInteger(), nullable=False),
        sa.Column("reviewer", sa.String(64), nullable=False),
        sa.Column("at", sa.DateTime(), nullable=False),
        sa.Column("verdict", sa.String(12), nullable=False),
        sa.Column("taxon", sa.String(255), nullable=True),
        sa.Column("said", sa.String(255), nullable=True),
        sa.Column("count", sa.Integer(), nullable=True),
        *(sa.Column(name, sa.String(12), nullable=False) for name in ("sex", "life_stage", "certainty")),
        sa.Column("note", sa.String(1000), nullable=False),
        sa.Column("undone", sa.Boolean(), nullable=False),
        sa.Column("observation", sa.String(255), nullable=True),
        sa.PrimaryKeyConstraint("key"),
    )
    op.execute(_MOVE)
    if op.get_bind().dialect.name == "postgresql":
        op.execute(_NEXT_KEY)
    op.drop_table("reviews")
    op.create_index("observations_of", "observations", ["trap", "sequence", "key"])
    op.create_index("observations_by", "observations", ["reviewer", "key"])
