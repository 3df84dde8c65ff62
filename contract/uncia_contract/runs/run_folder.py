"""A run folder: what training passes on to the converter. Reads `run.json` and names the files beside it.

Decides the names and types of the fields.
"""

from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec import Struct

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.errors import UNDECODABLE, DataError
from uncia_contract.model.manifest import Source

RUN, RUN_HEAD, RUN_MODEL, RUN_BACKBONE = "run.json", "head.npz", "backbone.tflite", "backbone.json"
RUN_FLOAT, RUN_PICTURES, RUN_HELD_OUT = "float.tflite", "pictures.csv", "held-out.npz"
RUN_SYSTEMS = "systems"  # folder of a comparison that holds a run folder for each system that can become a bundle


class Run(Struct, frozen=True):
    """What a training run decided and measured.

    `training` and `metrics` are for people; the rest goes into a bundle. `calibration_prior` is the share of positive
    pictures for which the head's probabilities are calibrated. `logit_range` is the lowest and the highest logit.
    """

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
    calibration_prior: float = 0.5
    notes: tuple[str, ...] = ()
    schema: Literal["uncia.run/1"] = "uncia.run/1"


def run_of(comparison: Path, system: str) -> Path:
    """The folder of one system's run in a comparison's folder.

    Raises:
        DataError: there is no such run; the message lists the systems that have one.
    """
    left = runs_in(comparison)
    if system not in left:
        raise DataError(
            f"{comparison}: no run of a system {system!r}; expected "
            f"{' or '.join(left) or 'a folder that uncia-train compare wrote'}"
        )
    return comparison / RUN_SYSTEMS / system


def runs_in(comparison: Path) -> list[str]:
    """Names of the systems whose finished runs lie in a comparison's folder."""
    return sorted(path.parent.name for path in (comparison / RUN_SYSTEMS).glob(f"*/{RUN}"))


def read_run(folder: Path) -> Run:
    """The run in a folder.

    Raises:
        DataError: no such folder, no run in it, or one that was not finished.
    """
    try:
        return msgspec.json.decode((folder / RUN).read_bytes(), type=Run)
    except OSError as error:
        if left := runs_in(folder):
            raise DataError(
                f"{folder}: holds the runs of several systems; give --system {' or '.join(left)}"
            ) from error
        raise DataError(
            f"{folder}: no finished training run ({error.strerror}); make one with uncia-train fit --out {folder}"
        ) from error
    except UNDECODABLE as error:
        raise DataError(f"{folder / RUN}: {error}; make the run anew with uncia-train fit") from error
