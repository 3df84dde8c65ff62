"""Decides which of a sequence's answers stands, and the sequence's review state.

The newest answer that was not taken back stands. Any answer given at this station precedes the answers that came with a
survey. All observations of that answer stand together.
"""

from collections.abc import Iterable
from typing import Any

OPEN = "open"


def standing(observations: Iterable[Any]) -> list[Any]:
    """The observations of the answer that stands, oldest first; empty if nobody has answered.

    Args:
        observations: the rows of one sequence, with `answer`, `undone`, `observation` (the survey's id, else None) and
            `key`.
    """
    told = [row for row in observations if not row.undone]
    newest = max(((row.observation is None, row.answer) for row in told), default=None)
    return sorted(
        (row for row in told if (row.observation is None, row.answer) == newest), key=lambda row: int(row.key)
    )


def state(rows: Iterable[Any]) -> tuple[str, list[str]]:
    """The `review` state of a sequence from its standing rows, and the taxa that they name other than the model's.

    One observation of the model's taxon is enough for `confirmed`, whatever the other observations say.
    """
    rows = [*rows]
    verdicts = {row.verdict for row in rows}
    named = [*dict.fromkeys(row.taxon for row in rows if row.verdict == "relabelled")]
    return next((one for one in ("confirmed", "relabelled", "rejected") if one in verdicts), OPEN), named
