"""`uncia-convert backbone`: quantizes a pretrained network and writes a folder with the integer and the float model.

Decides the order of the steps: names, pictures, weights, quantization. `uncia_backbones.folder` decides the folder's
content.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_backbones.folder import Progress, clear, write_folder
from uncia_backbones.network import LAYERS
from uncia_backbones.quantization.calibration import PICTURES, Calibration, choose
from uncia_backbones.registry import backbone
from uncia_contract.datasets.reader import read_data
from uncia_contract.errors import DataError
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureNotes, PictureSum
from uncia_contract.runs.labels import LabelledPicture


@dataclass(frozen=True)
class BackboneRequest:
    """What to quantize.

    Attributes:
        backbone: the name in the table of backbones.
        calibration: the data set that gives the calibration pictures.
        out: the folder to write.
        layer: the output that becomes `features`.
        cut: the stage after which the network ends; None for all of it.
        weights: a file, `random:SEED`, or None for the backbone's default.
        pictures: the number of calibration pictures.
        zone: the zone of times without an offset.
    """

    backbone: str
    calibration: Path
    out: Path
    layer: str = "pooled"
    cut: str | None = None
    weights: str | None = None
    pictures: int = PICTURES
    zone: tzinfo = UTC


def make_backbone(
    request: BackboneRequest,
    say: Callable[[str], None],
    progress: Progress = lambda step, done, total: None,
) -> tuple[dict[str, object], PictureSum]:
    """Quantize a backbone into `request.out`; return the content of `backbone.json` and the counts of the pictures.

    Args:
        request: what to make.
        say: called with each line of output.
        progress: called with the name of a step, the number of its parts done, and the number of all.

    Raises:
        DataError: an unknown backbone, layer or cut; weights or pictures that are missing or cannot be read.
        StorageError: the folder cannot be written.
    """
    if request.layer not in LAYERS:
        raise DataError(f"no layer {request.layer!r}; expected {' or '.join(LAYERS)}")
    row = backbone(request.backbone)
    notes = PictureNotes()
    labelled = read_data(request.calibration, zone=request.zone, notes=notes)
    clear(request.out)
    say(f"building {row.name}" + (f" up to {request.cut}" if request.cut else ""))
    network = row.load(request.weights, request.cut)
    calibration = choose(labelled, network.size, request.pictures)
    for file, reason in calibration.failures:
        say(f"{file}: {reason}")
    for line in notes.unreadable:
        say(line)
    say(_calibration_line(calibration))
    description = write_folder(request.out, network, (row.name, request.cut), request.layer, calibration, progress)
    return description, _summed(labelled, calibration, notes)


def _calibration_line(calibration: Calibration) -> str:
    strata = ", ".join(f"{name} {count}" for name, count in calibration.strata().items())
    return f"calibrating with {len(calibration.candidates)} pictures: {strata}"


def _summed(labelled: Sequence[LabelledPicture], calibration: Calibration, notes: PictureNotes) -> PictureSum:
    failed = {file for file, _ in calibration.failures}
    test = {picture.file for picture in labelled if picture.never_learnt}
    used = failed.union(test, (candidate.picture.file for candidate in calibration.candidates))
    rest = [picture.file for picture in labelled if picture.file not in used]
    return notes.sum_of(len(labelled), failed, {LeftOut.NEVER_LEARNT: test, LeftOut.NOT_NEEDED: rest})
