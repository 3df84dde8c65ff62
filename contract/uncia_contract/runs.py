"""What a training run hands to the converter: `run.json`, read and written in one place.

Decides names and types; what else lies in the folder (head, backbone) is named here too.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from uncia_contract.decisions import DecisionRule
from uncia_contract.errors import DataError
from uncia_contract.frames import BurstRule
from uncia_contract.manifest import Source
from uncia_contract.regions import RegionRule

RUN, RUN_HEAD, RUN_MODEL, RUN_BACKBONE = "run.json", "head.npz", "backbone.tflite", "backbone.json"
RUN_FLOAT, RUN_PICTURES = "float.tflite", "pictures.csv"


class Run(Struct, frozen=True):
    """All that a training run decided and measured. `training`, `metrics` are for people; the rest goes into a
    bundle."""

    name: str
    created_at: datetime
    labels: tuple[str, ...]
    positive_labels: tuple[str, ...]
    burst_rule: BurstRule
    region_rule: RegionRule
    decision_rule: DecisionRule
    metrics: dict[str, Any]
    training: dict[str, Any]
    sources: tuple[Source, ...]
    logit_range: tuple[float, float]
    surroundings: dict[str, Any]
    regions: bool = True
    notes: tuple[str, ...] = ()
    schema: Literal["uncia.run/1"] = "uncia.run/1"


def read_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        DataError: no such folder, no run in it, or one that was not finished.
    """
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    except OSError as error:
        raise DataError(
            f"{folder}: no finished training run ({error.strerror}); make one with uncia-train fit --out {folder}"
        ) from error
    except msgspec.DecodeError as error:
        raise DataError(f"{folder / RUN}: {error}; make the run anew with uncia-train fit") from error
