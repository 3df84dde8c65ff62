"""The words of docs/glossary.md are used alike on every page: none of the words that it rules out."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
ROWS = [line.strip("|").split("|") for line in GLOSSARY.read_text().splitlines() if line.startswith("| **")]
GOING_THERE = {"visit"}  # also what a person does who goes to a trap
RULED_OUT = {word.strip() for row in ROWS for word in row[2].split(",") if word.strip()} - GOING_THERE


def _prose(page: Path) -> str:
    """A page without its code, and without the addresses of its links."""
    text = re.sub(r"^```.*?^```|^    .*?$|`[^`]*`|\]\([^)]*\)", " ", page.read_text(), flags=re.DOTALL | re.MULTILINE)
    return text.lower()


@pytest.mark.parametrize("page", [page for page in PAGES if page != GLOSSARY], ids=lambda page: page.name)
def test_no_page_uses_a_word_that_the_glossary_rules_out(page: Path) -> None:
    """One thing has one name."""
    found = re.findall(rf"\b(?:{'|'.join(sorted(RULED_OUT))})s?\b", _prose(page))
    assert RULED_OUT and found == []


def test_the_glossary_is_in_order() -> None:
    """A reader finds a word by its first letter."""
    words = [re.findall(r"\*\*(.*?)\*\*", row[0])[0] for row in ROWS]
    assert words == sorted(words)
