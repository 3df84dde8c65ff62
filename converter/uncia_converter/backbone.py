"""A folder with a quantized backbone: what `uncia-convert backbone` makes.

Decides the files' names and `backbone.json`. The folder appears whole or not at all under its files' final names:
`backbone.json`, which names the others' sha256, is written last.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import msgspec

from uncia_backbones.calibration import Calibration, choose
from uncia_backbones.network import LAYERS, Network
from uncia_backbones.registry import backbone
from uncia_contract.errors import DataError, StorageError
from uncia_contract.labels import read_labels

INT8, FLOAT, DESCRIPTION = "backbone.tflite", "float.tflite", "backbone.json"
SCHEMA = "uncia.backbone/1"


@dataclass(frozen=True)
class BackboneRequest:
    """What to quantize: a row of the table, cut and layer, its weights, and the CSV of calibration pictures."""

    backbone: str
    calibration: Path
    out: Path
    layer: str = "pooled"
    cut: str | None = None
    weights: str | None = None


def make_backbone(request: BackboneRequest, say: Callable[[str], None]) -> dict[str, object]:
    """Quantizes a backbone into `request.out` and gives what `backbone.json` says.

    Args:
        request: what to make.
        say: takes one line of progress at a time.

    Raises:
        DataError: unknown backbone, layer or cut; weights or pictures that cannot be had.
        StorageError: the folder cannot be written.
    """
    if request.layer not in LAYERS:
        raise DataError(f"no layer {request.layer!r}; expected {' or '.join(LAYERS)}")
    row = backbone(request.backbone)
    labelled = read_labels(request.calibration)
    _clear(request.out)
    say(f"building {row.name}" + (f" up to {request.cut}" if request.cut else ""))
    network = row.load(request.weights, request.cut)
    calibration = choose(labelled, network.size)
    say(_calibration_line(calibration))
    models = _models(network, request.layer, calibration, say)
    description = _description(request, network, calibration, models)
    _write(request.out, models, description)
    return description


def _calibration_line(calibration: Calibration) -> str:
    strata = ", ".join(f"{name} {count}" for name, count in calibration.strata().items())
    line = f"calibrating with {len(calibration.candidates)} pictures: {strata}"
    if calibration.failures:
        file, reason = calibration.failures[0]
        line += f"; {len(calibration.failures)} could not be used, the first: {file} ({reason})"
    return line


def _models(network: Network, layer: str, calibration: Calibration, say: Callable[[str], None]) -> dict[str, bytes]:
    from uncia_backbones.quantize import float_model, int8_model

    say("quantizing")
    return {
        INT8: int8_model(network.model, layer, calibration.pixels()),
        FLOAT: float_model(network.model, layer),
    }


def _description(
    request: BackboneRequest, network: Network, calibration: Calibration, models: dict[str, bytes]
) -> dict[str, object]:
    from uncia_backbones.frameworks import tf

    return {
        "schema": SCHEMA,
        "backbone": request.backbone,
        "layer": request.layer,
        "cut": request.cut,
        "input_size": network.size,
        "features": network.count(request.layer),
        "weights_sha256": network.weights_sha256,
        "calibration": calibration.summary(),
        "tensorflow": tf.__version__,
        "sha256": {name: hashlib.sha256(model).hexdigest() for name, model in models.items()},
    }


def _clear(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DESCRIPTION).unlink(missing_ok=True)
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error


def _write(folder: Path, models: dict[str, bytes], description: dict[str, object]) -> None:
    try:
        for name, model in models.items():
            (folder / name).write_bytes(model)
        (folder / DESCRIPTION).write_bytes(msgspec.json.format(msgspec.json.encode(description), indent=2) + b"\n")
    except OSError as error:
        raise StorageError(f"{folder}: cannot be written ({error.strerror}); choose another --out") from error
