"""docs/architecture.md is true: its picture is drawn from the layers, and it has every part with its first line."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("contract", "backbones", "edge", "training", "converter", "collector", "simulation")
PAGE = (ROOT / "docs" / "architecture.md").read_text()
PARTS = [
    part
    for package in PACKAGES
    for part in sorted((ROOT / package / f"uncia_{package}").iterdir())
    if (part / "__init__.py").exists() or (part.suffix == ".py" and part.stem[0] != "_")
]


def test_the_picture_is_drawn_from_the_layers() -> None:
    """`scripts/draw_architecture.py` draws it anew."""
    spec = importlib.util.spec_from_file_location("draw_architecture", ROOT / "scripts" / "draw_architecture.py")
    assert spec is not None and spec.loader is not None
    drawing = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(drawing)
    assert (ROOT / "docs" / "architecture.svg").read_text() == drawing.picture()


@pytest.mark.parametrize("part", PARTS, ids=lambda part: str(part.relative_to(ROOT)))
def test_every_part_is_in_the_page_with_its_first_line(part: Path) -> None:
    """A sub-package with a slash, a module without."""
    module, name = (part / "__init__.py", f"{part.name}/") if part.is_dir() else (part, part.stem)
    first = (ast.get_docstring(ast.parse(module.read_text())) or "").splitlines()[0]
    assert f"| `{name}` | {first} |" in PAGE


def test_the_answers_to_newcomers_questions_are_where_the_page_says() -> None:
    """Each path of the table of questions is a module."""
    table = PAGE.split("## Ten questions")[1].split("## ")[0]
    named = re.findall(r"`([a-z_/0-9]+\.py)`", table)
    assert len(named) == 10 and [name for name in named if not (ROOT / name).is_file()] == []
