"""docs/promises: what is promised names the command that shows it, and that command exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = [*sorted((ROOT / "docs" / "promises").glob("*.md")), ROOT / "docs" / "threat-model.md"]
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
TESTS = re.compile(r"(tests/[\w/]+\.py)(?:::(\w+))?")


def _rows(page: Path) -> list[list[str]]:
    """Cells of its tables' rows, headings and rules left out."""
    lines = [line for line in page.read_text().splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return [
        row for row, after in zip(cells, [*cells[1:], [""]], strict=True) if not _is_rule(row) and not _is_rule(after)
    ]


def _is_rule(row: list[str]) -> bool:
    return all(set(cell) <= set("-:") for cell in row) and row != [""]


def _missing(named: tuple[str, str]) -> bool:
    file, function = named
    path = ROOT / file
    return not path.is_file() or (bool(function) and not re.search(rf"def {function}\w*\(", path.read_text()))


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_what_a_promise_names_is_there(page: Path) -> None:
    """Test files and the tests in them, make targets, benchmarks."""
    text = page.read_text()
    assert [named for named in TESTS.findall(text) if _missing(named)] == []
    assert set(re.findall(r"make ([a-z0-9-]+)", text)) <= TARGETS
    assert [name for name in re.findall(r"(?:benchmarks|scripts)/\w+\.py", text) if not (ROOT / name).is_file()] == []


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_each_promise_is_shown_by_something(page: Path) -> None:
    """No row without a command in its second cell."""
    rows = _rows(page)
    assert rows
    assert [row[0] for row in rows if len(row) < 3 or "`" not in row[1]] == []


def _names_in(path: Path) -> str:
    """What `-k` looks at in a test file or a folder of them: file names, functions, and the ids of rows."""
    files = [path] if path.is_file() else sorted(path.rglob("test_*.py"))
    names = [re.findall(r"def (test_\w+)|\"([^\"\n]+)\"", file.read_text()) for file in files]
    return " ".join([*(file.name for file in files), *(" ".join(pair) for found in names for pair in found)]).lower()


@pytest.mark.parametrize("page", PAGES, ids=[page.stem for page in PAGES])
def test_each_word_by_which_a_promise_selects_tests_selects_one(page: Path) -> None:
    """`pytest FILES -k "this or that"`: a test that is called otherwise would be left out without a word."""
    selections = re.findall(r"`pytest ([^`]*?)-k (?:\"([^\"]+)\"|(\w+))`", page.read_text())
    for paths, words, word in selections:
        names = " ".join(_names_in(ROOT / path) for path in re.findall(r"tests/[\w/.]+", paths))
        assert [one for one in re.split(r" (?:or|and|not) ", words or word) if one.lower() not in names] == []
