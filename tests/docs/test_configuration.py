"""Every key of a configuration file stands in the guide of its program."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from uncia_collector.settings import CollectorSettings
from uncia_edge.settings import TrapSettings

DOCS = Path(__file__).parents[2] / "docs"


def _keys(settings: type[msgspec.Struct]) -> Iterator[str]:
    for field in msgspec.structs.fields(settings):
        yield field.name
        if isinstance(field.type, type) and issubclass(field.type, msgspec.Struct):
            yield from _keys(field.type)


@pytest.mark.parametrize(
    ("settings", "page"),
    [(TrapSettings, "field-guide.md"), (CollectorSettings, "collector.md")],
    ids=["trap", "collector"],
)
def test_every_key_is_in_the_guide(settings: type[msgspec.Struct], page: str) -> None:
    """None was added without a word."""
    text = (DOCS / page).read_text()
    assert [key for key in _keys(settings) if key not in text] == []
