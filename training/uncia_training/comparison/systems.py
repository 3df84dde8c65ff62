"""The table of the systems that are compared (DESIGN 5); a new system is one more row.

Decides for each system its features, its training views and the score of a sequence. All but one use the regions of
bursts, and whole stills. Without an ensemble one frame is enough for an alarm: a sequence's score is that of its
highest frame. With an ensemble (+E, and uncia) the score of a sequence, and of each of its frames, is the mean over the
sequence. Systems on pooled features can run on the trap, so they are scored a second time in int8, as bundles.
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
    """A system.

    `features` names the layer; `augmentations` are the training views (the plain one is scored); `ensemble` averages
    over the sequence; with `regions`, training and scoring use the regions of pictures of bursts; `cut` is the stage
    after which the network must be cut, None for the whole network, "any" for both.
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
        """The key of its fit; systems with equal keys share one fit."""
        return FitKey(self.features, self.augmentations, self.regions)

    @property
    def packs(self) -> bool:
        """Whether it can become a bundle that a trap runs."""
        return self.features in ("pooled", "int8")

    @property
    def on_trap(self) -> "System":
        """The same system on int8 features, as on the trap."""
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
    """The systems with these names (`all`: every system that fits the cut), in the order of the table.

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
    """The keys of the fits that these systems need, in float and in int8."""
    needed = [one for row in chosen for one in ((row, row.on_trap) if row.packs else (row,))]
    return tuple(dict.fromkeys(one.fit for one in needed))
