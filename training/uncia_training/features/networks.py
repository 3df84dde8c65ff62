"""The networks that a comparison needs: float for the seed's systems, int8 for ours, each made once and kept.

Decides where models are kept (`CACHE/models` in float, `CACHE/backbones` in int8) and what names them: backbone, cut,
the weights' sha256 and, for int8, the calibration pictures.
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
    """A row of the table of backbones, its weights and its cut, and how many pictures set the integers' ranges."""

    backbone: str
    weights: str | None = None
    cut: str | None = None
    pictures: int = PICTURES

    @property
    def name(self) -> str:
        """Such as `resnet50v2-stage3`."""
        return f"{self.backbone}-{self.cut}" if self.cut else self.backbone


@dataclass(frozen=True, eq=False)
class Networks:
    """An extractor for each kind of features, and the folder of the integer network where there is one."""

    extractors: dict[str, Extractor]
    backbone: BackboneFolder | None


def networks(
    choice: NetworkChoice,
    features: Collection[str],
    pictures: Sequence[LabelledPicture],
    cache: Path,
    progress: Callable[[str, int, int], None],
) -> Networks:
    """The networks that these features need.

    Args:
        choice: which network.
        features: of `systems.System.features`.
        pictures: what the int8 network is calibrated with; those of splits `test` and `tune` are not used.
        cache: where models are kept.
        progress: told the name of a step, and how many of how many parts of it are done.
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
    """The float network up to its last map; the cache's, where it has it."""
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
    """The quantized network's folder, pooled features; the cache's, where it has one of the same calibration."""
    calibration = choose(pictures, network.size, choice.pictures)
    folder = stem.with_name(f"{stem.name}-{str(calibration.summary()['fingerprint'])[:12]}")
    if not (folder / DESCRIPTION).exists():
        progress(f"quantizing with {len(calibration.candidates)} pictures", 0, 0)
        write_folder(folder, network, (choice.backbone, choice.cut), "pooled", calibration, progress)
    return read_backbone(folder)
