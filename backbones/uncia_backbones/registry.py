"""The table of backbones: a new one is one module and one row.

A row's module has `load(weights, cut) -> Network`. It is imported when the row is used, because it brings TensorFlow.
"""

from dataclasses import dataclass
from importlib import import_module

from uncia_backbones.network import LAYERS, Network
from uncia_contract.errors import DataError


@dataclass(frozen=True)
class Backbone:
    """A row: `module` builds it, `cuts` are the stages after which it may end, `licence` is that of its weights."""

    name: str
    module: str
    cuts: tuple[str, ...]
    licence: str

    def load(self, weights: str | None = None, cut: str | None = None) -> Network:
        """The network with its weights.

        Args:
            weights: a file, `random:SEED`, or None for the backbone's own source.
            cut: one of `cuts`, None for the whole network.

        Raises:
            DataError: unknown cut, missing or foreign weights; the message says how to get them.
        """
        if cut is not None and cut not in self.cuts:
            raise DataError(f"{self.name}: no cut {cut!r}; expected {' or '.join(self.cuts) or 'none'}")
        network: Network = import_module(self.module).load(weights, cut)
        return network


_ROWS = (
    Backbone(
        name="efficientnet-lite0",
        module="uncia_backbones.efficientnet_lite0",
        cuts=(),
        licence="Apache-2.0 (weights from TensorFlow's TPU models)",
    ),
    Backbone(
        name="resnet50",
        module="uncia_backbones.resnet50",
        cuts=("stage2", "stage3"),
        licence="MIT (Kaiming He's weights, by way of Keras Applications)",
    ),
    Backbone(
        name="resnet50v2",
        module="uncia_backbones.resnet50v2",
        cuts=("stage2", "stage3"),
        licence="Apache-2.0 (ONNX model zoo)",
    ),
)
BACKBONES = {row.name: row for row in _ROWS}


def backbone(name: str) -> Backbone:
    """The row of that name.

    Raises:
        DataError: there is none; the message lists those that are.
    """
    if name not in BACKBONES:
        raise DataError(f"no backbone {name!r}; expected {' or '.join(BACKBONES)}")
    return BACKBONES[name]


__all__ = ["BACKBONES", "LAYERS", "Backbone", "Network", "backbone"]
