"""The network for `uncia-train features`, as plain values that can be sent to another machine.

It is read from a backbone folder or a bundle. Its features are identified by network, precision and the model's sha256.
"""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from uncia_backbones.folder import FLOAT
from uncia_contract.errors import DataError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.manifest import MODEL
from uncia_training.features.backbone_folder import read_backbone
from uncia_training.features.extract import Extractor, FloatNetwork, Int8Network

Precision = Literal["int8", "float"]


@dataclass(frozen=True)
class FeatureNetwork:
    """A model's bytes, its precision, and the layer to compute."""

    name: str
    model: bytes
    precision: Precision = "int8"
    layer: str = "pooled"

    def extractor(self) -> Extractor:
        """The network's extractor; each process loads it once."""
        return _extractor(self)


@functools.lru_cache(maxsize=1)
def _extractor(network: FeatureNetwork) -> Extractor:
    if network.precision == "int8":
        return Int8Network(network.name, network.model)
    return FloatNetwork(network.name, network.model, [network.layer])


def network_of_backbone(folder: Path, precision: Precision, layer: str) -> FeatureNetwork:
    """The network in a folder of `uncia-convert backbone`.

    Raises:
        DataError: no such folder, or it lacks the float model that is needed.
    """
    found = read_backbone(folder)
    name = found.description.backbone + (f"-{found.description.cut}" if found.description.cut else "")
    if precision == "int8":
        return FeatureNetwork(name, found.model)
    try:
        return FeatureNetwork(name, (folder / FLOAT).read_bytes(), precision, layer)
    except OSError as error:
        raise DataError(f"{folder / FLOAT}: cannot be read ({error.strerror}); make the folder again") from error


def network_of_bundle(path: Path) -> FeatureNetwork:
    """The int8 network in a bundle.

    Raises:
        BundleError: not a bundle.
    """
    bundle = read_bundle(path)
    return FeatureNetwork(bundle.manifest.backbone.name, bundle.members[MODEL])
