"""A folder with a quantized backbone: the integer model, the float one, and what they are.

Decides the files' names and what `backbone.json` says. The folder appears whole or not at all under its files' final
names: `backbone.json`, which names the others' sha256, is written last. Made by `uncia-convert backbone`, and by
`uncia-train compare` for itself.
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
    """Quantizes the network into `out` and gives what `backbone.json` says.

    Args:
        out: the folder to write.
        network: with its weights.
        name: of the table's row, and the stage it was cut after.
        layer: which output becomes `features`.
        calibration: the pictures that set the ranges.
        progress: told the name of a step, and how many of how many parts of it are done.

    Raises:
        StorageError: the folder cannot be written.
    """
    clear(out)
    models = _models(network, layer, calibration, progress)
    description = _description(network, name, layer, calibration, models)
    _write(out, models, description)
    return description


def clear(folder: Path) -> None:
    """Makes the folder, without a description that would no longer be true.

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
