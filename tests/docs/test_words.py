"""The words of docs/glossary.md are used alike in documents, helps and pages: none of the words that it rules out."""

import re
from pathlib import Path

import pytest
from tests.docs.test_commands import COMMANDS

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "glossary.md"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "SECURITY.md", *sorted((ROOT / "docs").glob("*.md"))]
ROWS = [line.strip("|").split("|") for line in GLOSSARY.read_text().splitlines() if line.startswith("| **")]
GOING_THERE = {"visit"}  # also what a person does who goes to a trap
RULED_OUT = {word.strip() for row in ROWS for word in row[2].split(",") if word.strip()} - GOING_THERE


TEMPLATES = sorted((ROOT / "collector" / "uncia_collector" / "web" / "templates").glob("*.html"))


def _prose(page: Path) -> str:
    """A page without its code, and without the addresses of its links."""
    return re.sub(r"^```.*?^```|^    .*?$|`[^`]*`|\]\([^)]*\)", " ", page.read_text(), flags=re.DOTALL | re.MULTILINE)


def _ruled_out(text: str) -> list[str]:
    """The words in it that the glossary rules out."""
    return re.findall(rf"\b(?:{'|'.join(sorted(RULED_OUT))})s?\b", text.lower())


@pytest.mark.parametrize("page", [page for page in PAGES if page != GLOSSARY], ids=lambda page: page.name)
def test_no_page_uses_a_word_that_the_glossary_rules_out(page: Path) -> None:
    """One thing has one name."""
    assert RULED_OUT and _ruled_out(_prose(page)) == []


def test_no_help_and_no_page_of_the_station_uses_one() -> None:
    """What `--help` prints, and the words of the templates."""
    texts = [command.format_help() for command in COMMANDS]
    texts += [re.sub(r"<[^>]*>", " ", template.read_text()) for template in TEMPLATES]
    assert TEMPLATES and [found for text in texts if (found := _ruled_out(text))] == []


def test_the_glossary_is_in_order() -> None:
    """A reader finds a word by its first letter."""
    words = [re.findall(r"\*\*(.*?)\*\*", row[0])[0] for row in ROWS]
    assert words == sorted(words)
