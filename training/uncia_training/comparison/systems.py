"""The table of systems that are compared (DESIGN 5): a new one is one row.

Decides what each looks at, what it learns from and what makes a sequence's score. All but one look at the regions of
bursts, and at stills as a whole. A system without an ensemble raises an alarm as soon as one frame does: its sequence
scores what its highest frame scores. With an ensemble (+E, and ours) the mean over the sequence speaks, for each frame
as well. Systems on pooled features can run on the trap: they are scored a second time on int8, as bundles.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from uncia_contract.errors import DataError
from uncia_training.features.augmentation import AUGMENTATIONS, Augmentation
from uncia_training.fitting.head_fit import FitKey

Features = Literal["pixels", "pooled", "map", "int8"]

PLAIN: tuple[Augmentation, ...] = ("plain",)
MIRRORED: tuple[Augmentation, ...] = ("plain", "mirror")
OURS, OURS_ON_WHOLE_FRAMES = "uncia", "uncia-no-regions"


@dataclass(frozen=True)
class System:
    """A row.

    `features` name the layer; `augmentations` are learnt from (the plain one is scored); `ensemble` averages over the
    sequence; `regions` lets pictures of bursts be learnt and scored on their regions; `cut` is the stage it needs the
    network cut after, None for the whole network, "any" for either.
    """

    name: str
    features: Features
    augmentations: tuple[Augmentation, ...] = PLAIN
    ensemble: bool = False
    regions: bool = True
    cut: str | None = "any"
    text: str = ""

    @property
    def fit(self) -> FitKey:
        """Systems with equal ones share one fit."""
        return FitKey(self.features, self.augmentations, self.regions)

    @property
    def packs(self) -> bool:
        """Whether it can become a bundle that a trap runs."""
        return self.features in ("pooled", "int8")

    @property
    def on_trap(self) -> "System":
        """The same system on int8 features, as the trap would run it."""
        return replace(self, features="int8")


SYSTEMS = (
    System("L120", "pixels", text="the picture at 120x120"),
    System("RN1", "pooled", cut=None, text="next-to-last layer (pooled)"),
    System("RN2", "map", cut=None, text="second-to-last layer (the last feature map)"),
    System("RN2+A", "map", MIRRORED, cut=None, text="RN2, mirrored pictures added"),
    System("RN2+A+E", "map", MIRRORED, ensemble=True, cut=None, text="RN2+A, mean over the sequence"),
    System("RN3", "pooled", cut="stage3", text="third stage (pooled)"),
    System("RN3+A", "pooled", MIRRORED, cut="stage3", text="RN3, mirrored pictures added"),
    System("RN3+A+E", "pooled", MIRRORED, ensemble=True, cut="stage3", text="RN3+A, mean over the sequence"),
    System(OURS, "int8", AUGMENTATIONS, True, text="the int8 bundle as on the trap: regions, mean over the sequence"),
    System(OURS_ON_WHOLE_FRAMES, "int8", AUGMENTATIONS, True, False, text="uncia on whole frames"),
)


def systems(names: Iterable[str], cut: str | None) -> tuple[System, ...]:
    """The rows of these names (`all`: every one that fits the cut), in the table's order.

    Raises:
        DataError: an unknown name, or a system that needs another cut.
    """
    fitting = [row for row in SYSTEMS if row.cut in ("any", cut)]
    wanted = set(names)
    if "all" in wanted:
        return tuple(fitting)
    for name in sorted(wanted - {row.name for row in fitting}):
        known = ", ".join(row.name for row in fitting)
        asked = next((row for row in SYSTEMS if row.name == name), None)
        remedy = f"; {name} needs {f'--cut {asked.cut}' if asked.cut else 'the network uncut'}" if asked else ""
        raise DataError(f"no system {name!r} here; expected all or {known}{remedy}")
    return tuple(row for row in fitting if row.name in wanted)


def fits(chosen: Iterable[System]) -> tuple[FitKey, ...]:
    """The fits that these need, in float and on the trap."""
    needed = [one for row in chosen for one in ((row, row.on_trap) if row.packs else (row,))]
    return tuple(dict.fromkeys(one.fit for one in needed))
