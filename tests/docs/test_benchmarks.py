"""Benchmarks and scripts import names that exist: no other test runs most of them."""

import ast
import symtable
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
FOLDERS = [ROOT / name for name in ("benchmarks", "scripts")]
ROOTS = [ROOT, *FOLDERS, *(package.parent for package in ROOT.glob("*/uncia_*"))]
PROGRAMS = sorted(path for folder in FOLDERS for path in folder.glob("*.py"))


def files_of(module: str) -> list[Path]:
    """The source of one of our modules or packages; none for a module of others."""
    places = [root / module.replace(".", "/") for root in ROOTS]
    return [file for place in places for file in (place.with_suffix(".py"), place / "__init__.py") if file.is_file()]


def has(module: str, name: str) -> bool:
    """Whether a module of ours defines or imports this name, or is a package with such a module."""
    files = files_of(module)
    names = {
        one.get_name()
        for file in files
        for one in symtable.symtable(file.read_text(), str(file), "exec").get_symbols()
        if one.is_assigned() or one.is_imported()
    }
    return name in names or bool(files_of(f"{module}.{name}"))


def imported(program: Path) -> Iterator[tuple[str, str]]:
    """Module and name of each `from module import name` where the module is ours."""
    for node in ast.walk(ast.parse(program.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            ours = node.module.startswith(("uncia_", "tests.")) or files_of(node.module)
            yield from ((node.module, alias.name) for alias in node.names if ours)


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: f"{program.parent.name}/{program.name}")
def test_what_a_program_imports_exists(program: Path) -> None:
    """A name that a package lost would be noticed when somebody repeats a figure, months later."""
    assert [f"{module}.{name}" for module, name in imported(program) if not has(module, name)] == []
