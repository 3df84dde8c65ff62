"""Links between the documents lead somewhere, and the files that they name exist."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    page for pattern in ("*.md", "docs/**/*.md", "models/*.md", "benchmarks/*.md") for page in ROOT.glob(pattern)
)
LINK = re.compile(r"\]\((?![a-z]+:)([^)#\s]*)(?:#([^)\s]+))?\)")
FILE = re.compile(r"`((?:docs|tests|scripts|benchmarks|examples|systemd|models|\w+/uncia_\w+)/[\w./-]+\.\w+)`")
TO_BE_WRITTEN = {"backbones/uncia_backbones/mynet.py", "collector/uncia_collector/languages/xx.po"}


def _anchors(page: Path) -> set[str]:
    """The names by which a page's headings are linked to."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def _leads_nowhere(page: Path, link: tuple[str, str]) -> bool:
    path, anchor = link
    target = page.parent / path if path else page
    return not target.exists() or (bool(anchor) and anchor not in _anchors(target))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file or folder of the repository, and to a heading where one is named."""
    assert [link for link in LINK.findall(page.read_text()) if _leads_nowhere(page, link)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_file_that_a_page_names_is_there(page: Path) -> None:
    """Paths between backticks, from the root of the repository."""
    named = set(FILE.findall(page.read_text())) - TO_BE_WRITTEN
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_every_page_is_in_the_list_of_pages() -> None:
    """A reader finds each page of docs/ from docs/README.md."""
    index = (ROOT / "docs" / "README.md").read_text()
    pages = [page.name for page in (ROOT / "docs").glob("*.md") if page.name != "README.md"]
    assert pages and [name for name in pages if f"]({name})" not in index] == []


def test_the_commits_that_contributing_names_are_in_the_history() -> None:
    """Each row of "Where to add" ends with a commit's subject; a copy without the history is not asked."""
    told = subprocess.run(["git", "-C", str(ROOT), "log", "--format=%s"], check=False, capture_output=True, text=True)
    if told.returncode != 0 or len(told.stdout.splitlines()) < 100:
        pytest.skip("no history here: CONTRIBUTING.md's commits cannot be looked up")
    named = re.findall(r"\| \"([^\"]+)\" \|$", (ROOT / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert len(named) == 8 and [subject for subject in named if subject not in told.stdout.splitlines()] == []
