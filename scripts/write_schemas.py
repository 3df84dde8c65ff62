"""Write the JSON Schemas (2020-12) of every message and of the bundle's manifest: `write_schemas.py [FOLDER]`.

They are made from the structs in `messages.records` and `model.manifest`; docs/schemas holds them for other programs.
"""

import inspect
import sys
from pathlib import Path
from typing import Any

import msgspec

from uncia_contract.json_text import indented_json
from uncia_contract.messages.records import Command, DoctorQuestion, Receipt, Reply, SequenceRecord, TrapState
from uncia_contract.model.manifest import Manifest

FOLDER = Path(__file__).parent.parent / "docs" / "schemas"
KINDS = {
    "sequence": SequenceRecord, "receipt": Receipt, "state": TrapState, "command": Command, "reply": Reply,
    "doctor": DoctorQuestion, "manifest": Manifest,
}  # fmt: skip


def schemas() -> dict[str, bytes]:
    """The content of each schema file, by its name."""
    return {f"{name}.schema.json": _text(msgspec.json.schema(kind)) for name, kind in KINDS.items()}


def _text(schema: dict[str, Any]) -> bytes:
    for definition in schema["$defs"].values():
        definition["description"] = inspect.cleandoc(definition.get("description", ""))  # Python 3.13 does so itself
    dialect = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return indented_json(dialect | schema)


def main() -> None:
    """Write all schema files."""
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in schemas().items():
        (folder / name).write_bytes(content)


if __name__ == "__main__":
    main()
