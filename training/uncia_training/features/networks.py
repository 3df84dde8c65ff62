"""The networks of a comparison: float for the seed's systems, int8 for uncia's; each is made once and kept.

Decides where models are kept (`CACHE/models` for float, `CACHE/backbones` for int8) and their names: backbone, cut, the
weights' sha256 and, for int8, the calibration pictures.
"""

import hashlib
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from uncia_backbones.folder import DESCRIPTION, write_folder
from uncia_backbones.network import Network
from uncia_backbones.quantization.calibration import PICTURES, choose
from uncia_backbones.registry import backbone
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.runs.labels import LabelledPicture
from uncia_training.features.backbone_folder import BackboneFolder, read_backbone
from uncia_training.features.extract import Extractor, FloatNetwork, Int8Network, Pixels

PIXELS, FLOAT, INT8 = "pixels", "float", "int8"


@dataclass(frozen=True)
class NetworkChoice:
    """A backbone's name, its weights and cut, and the number of calibration pictures."""

    backbone: str
    weights: str | None = None
    cut: str | None = None
    pictures: int = PICTURES

    @property
    def name(self) -> str:
        """The name with the cut, such as `resnet50v2-stage3`."""
        return f"{self.backbone}-{self.cut}" if self.cut else self.backbone


@dataclass(frozen=True, eq=False)
class Networks:
    """An extractor for each kind of features, and the folder of the integer network (None without one)."""

    extractors: dict[str, Extractor]
    backbone: BackboneFolder | None


def networks(
    choice: NetworkChoice,
    features: Collection[str],
    pictures: Sequence[LabelledPicture],
    cache: Path,
    progress: Callable[[str, int, int], None],
) -> Networks:
    """The networks for these kinds of features.

    Args:
        choice: the backbone.
        features: the kinds, as in `systems.System.features`.
        pictures: the pictures to calibrate the int8 network with; those of splits `test` and `tune` are not used.
        cache: the folder in which models are kept.
        progress: called with the name of a step, the number of its parts done, and the number of all.
    """
    made: dict[str, Extractor] = {PIXELS: Pixels()} if "pixels" in features else {}
    layers = [layer for layer in ("map", "pooled") if layer in features]
    if not layers and "int8" not in features:
        return Networks(made, None)
    progress(f"loading {choice.name}", 0, 0)
    network = backbone(choice.backbone).load(choice.weights, choice.cut)
    stem = f"{choice.name}-{hashlib.sha256(network.weights_sha256.encode()).hexdigest()[:12]}"
    if layers:
        made[FLOAT] = FloatNetwork(choice.name, _float(network, cache / "models" / f"{stem}-float.tflite"), layers)
    if "int8" not in features:
        return Networks(made, None)
    folder = _int8(choice, network, pictures, cache / "backbones" / stem, progress)
    made[INT8] = Int8Network(choice.name, folder.model)
    return Networks(made, folder)


def _float(network: Network, path: Path) -> bytes:
    """The float network up to its last map; from the cache if it is there."""
    from uncia_backbones.quantization.quantize import float_model

    with storage_errors(path, "; give another --cache DIR"):
        if path.exists():
            return path.read_bytes()
        model = float_model(network.model, "map")
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(path, model)
    return model


def _int8(
    choice: NetworkChoice,
    network: Network,
    pictures: Sequence[LabelledPicture],
    stem: Path,
    progress: Callable[[str, int, int], None],
) -> BackboneFolder:
    """The folder of the quantized network with pooled features; from the cache if it has one of this calibration."""
    calibration = choose(pictures, network.size, choice.pictures)
    folder = stem.with_name(f"{stem.name}-{str(calibration.summary()['fingerprint'])[:12]}")
    if not (folder / DESCRIPTION).exists():
        progress(f"quantizing with {len(calibration.candidates)} pictures", 0, 0)
        write_folder(folder, network, (choice.backbone, choice.cut), "pooled", calibration, progress)
    return read_backbone(folder)
