"""Writes a folder with a quantized backbone: the integer model, the float model and their description.

Decides the files' names and the content of `backbone.json`, which holds the sha256 of the other files and is written
last: without it, the folder is incomplete. `uncia-convert backbone` and `uncia-train compare` write such folders.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from uncia_backbones.network import Network
from uncia_backbones.quantization.calibration import Calibration
from uncia_contract.files import storage_errors
from uncia_contract.json_text import indented_json

INT8, FLOAT, DESCRIPTION = "backbone.tflite", "float.tflite", "backbone.json"
SCHEMA = "uncia.backbone/1"
OTHER_FOLDER = "; choose another --out or --cache"
Progress = Callable[[str, int, int], None]


def write_folder(
    out: Path,
    network: Network,
    name: tuple[str, str | None],
    layer: str,
    calibration: Calibration,
    progress: Progress = lambda step, done, total: None,
) -> dict[str, object]:
    """Quantize the network, write the folder, and return the content of `backbone.json`.

    Args:
        out: the folder to write.
        network: the network with its weights.
        name: the backbone's name in the table, and the stage after which it was cut (None for the whole network).
        layer: the output that becomes `features`.
        calibration: the pictures from which the ranges are taken.
        progress: called with the name of a step, the number of its parts done, and the number of all.

    Raises:
        StorageError: the folder cannot be written.
    """
    clear(out)
    models = _models(network, layer, calibration, progress)
    description = _description(network, name, layer, calibration, models)
    _write(out, models, description)
    return description


def clear(folder: Path) -> None:
    """Make the folder if needed, and remove its `backbone.json`, because the models will change.

    Raises:
        StorageError: it cannot be written.
    """
    with storage_errors(folder, OTHER_FOLDER):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / DESCRIPTION).unlink(missing_ok=True)


def _models(network: Network, layer: str, calibration: Calibration, progress: Progress) -> dict[str, bytes]:
    from uncia_backbones.quantization.quantize import float_model, int8_model

    return {
        INT8: int8_model(network.model, layer, calibration.pixels(), progress),
        FLOAT: float_model(network.model, layer),
    }


def _description(
    network: Network, name: tuple[str, str | None], layer: str, calibration: Calibration, models: dict[str, bytes]
) -> dict[str, object]:
    from uncia_backbones.frameworks import tf

    return {
        "schema": SCHEMA,
        "backbone": name[0],
        "layer": layer,
        "cut": name[1],
        "input_size": network.size,
        "features": network.count(layer),
        "weights_sha256": network.weights_sha256,
        "calibration": calibration.summary(),
        "tensorflow": tf.__version__,
        "sha256": {file: hashlib.sha256(model).hexdigest() for file, model in models.items()},
    }


def _write(folder: Path, models: dict[str, bytes], description: dict[str, object]) -> None:
    with storage_errors(folder, OTHER_FOLDER):
        for name, model in models.items():
            (folder / name).write_bytes(model)
        (folder / DESCRIPTION).write_bytes(indented_json(description))
