"""`uncia-convert backbone`: a pretrained network becomes a folder with its integer and its float model.

Decides the order: name, pictures, weights, quantization. What the folder holds is `uncia_backbones.folder`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from uncia_backbones.folder import Progress, clear, write_folder
from uncia_backbones.network import LAYERS
from uncia_backbones.quantization.calibration import PICTURES, Calibration, choose
from uncia_backbones.registry import backbone
from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError


@dataclass(frozen=True)
class BackboneRequest:
    """What to quantize: a row of the table, cut and layer, its weights, and how many calibration pictures there are."""

    backbone: str
    calibration: Path
    out: Path
    layer: str = "pooled"
    cut: str | None = None
    weights: str | None = None
    pictures: int = PICTURES


def make_backbone(
    request: BackboneRequest,
    say: Callable[[str], None],
    progress: Progress = lambda step, done, total: None,
) -> dict[str, object]:
    """Quantizes a backbone into `request.out` and gives what `backbone.json` says.

    Args:
        request: what to make.
        say: takes one line at a time.
        progress: told the name of a step, and how many of how many parts of it are done.

    Raises:
        DataError: unknown backbone, layer or cut; weights or pictures that cannot be had.
        StorageError: the folder cannot be written.
    """
    if request.layer not in LAYERS:
        raise DataError(f"no layer {request.layer!r}; expected {' or '.join(LAYERS)}")
    row = backbone(request.backbone)
    labelled = read_data(request.calibration)
    clear(request.out)
    say(f"building {row.name}" + (f" up to {request.cut}" if request.cut else ""))
    network = row.load(request.weights, request.cut)
    calibration = choose(labelled, network.size, request.pictures)
    say(_calibration_line(calibration))
    return write_folder(request.out, network, (row.name, request.cut), request.layer, calibration, progress)


def _calibration_line(calibration: Calibration) -> str:
    strata = ", ".join(f"{name} {count}" for name, count in calibration.strata().items())
    line = f"calibrating with {len(calibration.candidates)} pictures: {strata}"
    if calibration.failures:
        file, reason = calibration.failures[0]
        line += f"; {len(calibration.failures)} could not be used, the first: {file} ({reason})"
    return line
