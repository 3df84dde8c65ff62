"""CHANGELOG.md tells a user shortly what the coming release brings."""

from pathlib import Path

CHANGELOG = Path(__file__).parents[2] / "CHANGELOG.md"


def test_the_coming_release_is_told_shortly() -> None:
    """In sixty lines at most: a merge by union (.gitattributes) brings back lines that were taken out."""
    section = CHANGELOG.read_text().split("\n## ")[1]
    assert len(section.splitlines()) <= 60
