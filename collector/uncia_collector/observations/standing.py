"""The rule by which one of a sequence's answers stands.

Decides: of the answers that were not taken back the newest stands; one that was given here before one that came with a
survey. All observations of that answer stand together.
"""

from collections.abc import Iterable
from typing import Any

OPEN = "open"


def standing(observations: Iterable[Any]) -> list[Any]:
    """The rows of one sequence that stand, in the order in which they were said; none where nobody has answered.

    Args:
        observations: rows with `answer`, `undone`, `observation` (the survey's id of it) and `key`.
    """
    told = [row for row in observations if not row.undone]
    newest = max(((row.observation is None, row.answer) for row in told), default=None)
    return sorted(
        (row for row in told if (row.observation is None, row.answer) == newest), key=lambda row: int(row.key)
    )


def state(rows: Iterable[Any]) -> tuple[str, list[str]]:
    """What standing rows make of a sequence: its `review`, and the taxa that they name besides the model's.

    One observation of what the model says confirms it, whatever else was there.
    """
    rows = [*rows]
    verdicts = {row.verdict for row in rows}
    named = [*dict.fromkeys(row.taxon for row in rows if row.verdict == "relabelled")]
    return next((one for one in ("confirmed", "relabelled", "rejected") if one in verdicts), OPEN), named
