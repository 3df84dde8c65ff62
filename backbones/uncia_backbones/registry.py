"""The table of backbones: a new one is one module and one row.

A row's module has a function `load(weights, cut) -> Network`, or one with the name that the row gives. The module is
imported only when the row is used, because it imports TensorFlow.
"""

from dataclasses import dataclass
from importlib import import_module

from uncia_backbones.network import LAYERS, Network
from uncia_contract.errors import DataError


@dataclass(frozen=True)
class Backbone:
    """A row: `module.function` builds it, `cuts` are the stages after which it may end, `licence` is its weights'."""

    name: str
    module: str
    cuts: tuple[str, ...]
    licence: str
    function: str = "load"

    def load(self, weights: str | None = None, cut: str | None = None) -> Network:
        """The network with its weights.

        Args:
            weights: a file, `random:SEED`, or None for the backbone's default source.
            cut: one of `cuts`; None for the whole network.

        Raises:
            DataError: the cut is unknown, or the weights are missing or belong to another network; the message says how
                to get them.
        """
        if cut is not None and cut not in self.cuts:
            raise DataError(f"{self.name}: no cut {cut!r}; expected {' or '.join(self.cuts) or 'none'}")
        network: Network = getattr(import_module(self.module), self.function)(weights, cut)
        return network


_ROWS = (
    *(
        Backbone(
            name=f"efficientnet-lite{number}",
            module="uncia_backbones.efficientnet_lite",
            cuts=(),
            licence="Apache-2.0 (weights from TensorFlow's TPU models)",
            function=f"load_lite{number}",
        )
        for number in range(3)
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
        DataError: there is none; the message lists the known ones.
    """
    if name not in BACKBONES:
        raise DataError(f"no backbone {name!r}; expected {' or '.join(BACKBONES)}")
    return BACKBONES[name]


__all__ = ["BACKBONES", "LAYERS", "Backbone", "Network", "backbone"]
