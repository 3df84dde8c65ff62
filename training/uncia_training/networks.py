"""The networks that a comparison needs: float for the seed's systems, int8 for ours, each made once and kept.

Decides where models are kept (`CACHE/models`) and what names them: backbone, cut, the weights' sha256 and, for int8,
the calibration pictures.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from uncia_backbones.calibration import choose
from uncia_backbones.network import Network
from uncia_backbones.registry import backbone
from uncia_contract.errors import StorageError
from uncia_contract.labels import LabelledPicture
from uncia_training.extract import Extractor, FloatNetwork, Int8Network, Pixels

PIXELS, FLOAT, INT8 = "pixels", "float", "int8"


@dataclass(frozen=True)
class NetworkChoice:
    """A row of the table of backbones, its weights and its cut."""

    backbone: str
    weights: str | None = None
    cut: str | None = None

    @property
    def name(self) -> str:
        """Such as `resnet50v2-stage3`."""
        return f"{self.backbone}-{self.cut}" if self.cut else self.backbone


def extractors(
    choice: NetworkChoice,
    features: set[str],
    pictures: Sequence[LabelledPicture],
    cache: Path,
    say: Callable[[str], None],
) -> dict[str, Extractor]:
    """An extractor for each kind that these features need.

    Args:
        choice: which network.
        features: of `systems.System.features`.
        pictures: what the int8 network is calibrated with; those of split `test` are not used.
        cache: where models are kept.
        say: takes one line of progress at a time.
    """
    made: dict[str, Extractor] = {PIXELS: Pixels()} if "pixels" in features else {}
    float_layers = [layer for layer in ("map", "pooled") if layer in features]
    if not float_layers and "int8" not in features:
        return made
    say(f"loading {choice.name}")
    network = backbone(choice.backbone).load(choice.weights, choice.cut)
    stem = f"{choice.name}-{hashlib.sha256(network.weights_sha256.encode()).hexdigest()[:12]}"
    if float_layers:
        model = _kept(cache / "models" / f"{stem}-float.tflite", lambda: _float(network))
        made[FLOAT] = FloatNetwork(choice.name, model, float_layers)
    if "int8" in features:
        made[INT8] = Int8Network(choice.name, _int8(network, pictures, cache, stem, say))
    return made


def _float(network: Network) -> bytes:
    from uncia_backbones.quantize import float_model

    return float_model(network.model, "map")


def _int8(
    network: Network, pictures: Sequence[LabelledPicture], cache: Path, stem: str, say: Callable[[str], None]
) -> bytes:
    calibration = choose(pictures, network.size)
    fingerprint = str(calibration.summary()["fingerprint"])[:12]

    def make() -> bytes:
        from uncia_backbones.quantize import int8_model

        say(f"quantizing with {len(calibration.candidates)} pictures")
        return int8_model(network.model, "pooled", calibration.pixels())

    return _kept(cache / "models" / f"{stem}-int8-{fingerprint}.tflite", make)


def _kept(path: Path, make: Callable[[], bytes]) -> bytes:
    try:
        if path.exists():
            return path.read_bytes()
        model = make()
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_bytes(model)
        partial.replace(path)
    except OSError as error:
        raise StorageError(f"{path}: cannot be written ({error.strerror}); give another --cache DIR") from error
    return model
