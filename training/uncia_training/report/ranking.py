"""Which system ranks first by its sequences, and from which others these data cannot tell it.

Decides by what systems are ranked: recall at 1 % false alarms, and average precision; and that two are told apart where
the 95 % interval of their difference, in draws that both share, leaves 0 out.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from uncia_training.fitting.metrics import Figures
from uncia_training.fitting.resampling import AT_1_PERCENT

BY = (AT_1_PERCENT, "average_precision")


def ranking(systems: Mapping[str, Figures]) -> dict[str, Any]:
    """For each figure the systems from the best on, and every pair of them."""
    return {name: _by(name, systems) for name in BY}


def _by(name: str, systems: Mapping[str, Figures]) -> dict[str, Any]:
    known = {system: one for system, one in systems.items() if one.values[name] is not None}
    order = sorted(known, key=lambda system: -(known[system].values[name] or 0.0))
    return {
        "systems": [
            {"name": system, "value": known[system].values[name], "value_interval": known[system].interval(name)}
            for system in order
        ],
        "pairs": [_pair(name, one, other, known) for one, other in combinations(order, 2)],
    }


def _pair(name: str, one: str, other: str, systems: Mapping[str, Figures]) -> dict[str, Any]:
    """The better one first."""
    gap, spread = systems[one].exceeds(systems[other], name) or (0.0, None)
    return {
        "one": one,
        "other": other,
        "exceeds_by": gap,
        "exceeds_by_interval": spread,
        "told_apart": spread is not None and (spread[0] > 0 or spread[1] < 0),
    }
