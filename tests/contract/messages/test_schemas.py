"""docs/schemas holds the JSON schemas that the code defines."""

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
_spec = importlib.util.spec_from_file_location("write_schemas", ROOT / "scripts" / "write_schemas.py")
write_schemas = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(write_schemas)


@pytest.mark.parametrize("name", sorted(write_schemas.schemas()))
def test_the_documented_schema_is_the_codes(name):
    """After a change of a message: `python scripts/write_schemas.py`."""
    assert (ROOT / "docs" / "schemas" / name).read_bytes() == write_schemas.schemas()[name]
