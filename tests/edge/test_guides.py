"""The guides' examples are valid: configuration keys and file names."""

import re
from pathlib import Path

import pytest

from uncia_contract.cli.configuration import from_toml
from uncia_edge.settings import TrapSettings

DOCS = Path(__file__).parents[2] / "docs"


def test_the_field_guides_configuration_is_valid() -> None:
    """Every key of the example exists and every value is possible."""
    text = (DOCS / "field-guide.md").read_text()
    example = re.search(r"```toml\n(.*?)```", text, re.DOTALL)
    assert example
    assert from_toml(example[1], TrapSettings).trap == "ridge-01"
    spelled_out = re.sub(r"^# ", "", example[1], flags=re.MULTILINE)
    assert from_toml(spelled_out, TrapSettings).camera.after == 10


@pytest.mark.parametrize("page", ["delivery.md", "field-guide.md"])
def test_the_files_that_a_guide_names_exist(page: str) -> None:
    """Paths in the repository, as the guide writes them."""
    text = (DOCS / page).read_text()
    named = set(re.findall(r"(?<![/\w])((?:systemd|tests|benchmarks|models)/[\w./-]+\.\w+)", text))
    assert named
    assert [name for name in named if not (DOCS.parent / name).exists()] == []
