"""Reads the folder of a quantized backbone, which `uncia-convert backbone` writes.

Decides which parts of the folder training uses; `uncia_backbones.folder` writes it.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from uncia_backbones.folder import DESCRIPTION, INT8
from uncia_contract.errors import DataError


class BackboneDescription(Struct, frozen=True):
    """The content of `backbone.json`: network, layer, cut, calibration and hashes. `input_size` is (width, height)."""

    backbone: str
    layer: Literal["pooled", "map"]
    input_size: tuple[int, int]
    features: int
    weights_sha256: str
    calibration: dict[str, Any]
    sha256: dict[str, str]
    cut: str | None = None
    tensorflow: str = ""
    schema: Literal["uncia.backbone/1"] = "uncia.backbone/1"


@dataclass(frozen=True, eq=False)
class BackboneFolder:
    """A complete and unchanged folder with a quantized backbone."""

    folder: Path
    description: BackboneDescription
    model: bytes

    @property
    def sha256(self) -> str:
        """The sha256 of the int8 model's bytes, in hexadecimal."""
        return hashlib.sha256(self.model).hexdigest()


def read_backbone(folder: Path) -> BackboneFolder:
    """The backbone in a folder.

    Raises:
        DataError: no such folder, no backbone in it, or its model is not the one in the description.
    """
    try:
        description = msgspec.json.decode((folder / DESCRIPTION).read_bytes(), type=BackboneDescription)
        model = (folder / INT8).read_bytes()
    except (OSError, msgspec.DecodeError) as error:
        raise DataError(
            f"{folder}: no quantized backbone ({error}); make one with uncia-convert backbone --out {folder}"
        ) from error
    found = BackboneFolder(folder, description, model)
    if found.sha256 != description.sha256[INT8]:
        raise DataError(f"{folder / INT8}: not the file that {DESCRIPTION} describes; make the folder again")
    return found
