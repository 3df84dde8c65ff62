"""The house keeps its rooms: few modules a folder, no name twice on one path, no part without a place."""

from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = ("contract", "backbones", "edge", "training", "converter", "collector", "simulation")
MOST = 14  # modules a folder, besides __init__.py
FOLDERS = [
    folder.parent
    for package in PACKAGES
    for folder in sorted((ROOT / package / f"uncia_{package}").rglob("__init__.py"))
]


def modules(folder: Path) -> list[str]:
    return sorted(path.stem for path in folder.glob("*.py") if path.stem != "__init__")


def test_no_folder_holds_more_modules_than_a_reader_keeps_in_mind() -> None:
    """At most fourteen; migrations are a sequence that is not read as a whole and never changed, and do not count."""
    read = [folder for folder in FOLDERS if folder.name != "versions"]
    crowded = {str(folder.relative_to(ROOT)): len(modules(folder)) for folder in read}
    assert {name: count for name, count in crowded.items() if count > MOST} == {}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: str(folder.relative_to(ROOT)))
def test_no_module_is_named_like_its_folder(folder: Path) -> None:
    """`outbox/outbox.py` says nothing; a package's own name counts with and without `uncia_`."""
    assert not {folder.name, folder.name.removeprefix("uncia_")} & set(modules(folder))


def test_every_folder_of_modules_is_a_package() -> None:
    """One without `__init__.py` would be left out by the linters, and by the tests above."""
    loose = {path.parent for package in PACKAGES for path in (ROOT / package).rglob("*.py")} - set(FOLDERS)
    assert loose == set()


def test_tests_mirror_the_packages() -> None:
    """A folder of tests within a package's tests is named like a sub-package."""
    known = {(folder.parents[0].name.removeprefix("uncia_"), folder.name) for folder in FOLDERS}
    holding = {path.parent for package in PACKAGES for path in (ROOT / "tests" / package).glob("*/test_*.py")}
    assert {(folder.parent.name, folder.name) for folder in holding} - known == set()
