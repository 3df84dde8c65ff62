"""Pictures of the documents are what their scripts draw."""

import runpy
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_wild_bursts_are_drawn_from_the_card() -> None:
    """`python scripts/draw_wild.py` draws docs/wild.svg anew after a change of the card."""
    drawn = runpy.run_path(str(ROOT / "scripts" / "draw_wild.py"))["picture"]()
    assert (ROOT / "docs" / "wild.svg").read_text() == drawn
