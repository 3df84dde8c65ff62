"""Ranks systems by their sequences, and finds the pairs between which these data show no difference.

Decides the figures of the ranking: recall at 1 % false alarms, and average precision. Two systems are told apart if the
95 % interval of their difference, in draws that both share, does not contain 0.
"""

from collections.abc import Mapping
from itertools import combinations
from typing import Any

from uncia_training.fitting.metrics import Figures
from uncia_training.fitting.resampling import AT_1_PERCENT, FALSE_POSITIVE_RATE
from uncia_training.report.tables import Content, figure

BY = {AT_1_PERCENT: "recall of sequences at 1 % false alarms", "average_precision": "average precision of sequences"}


def ranking(systems: Mapping[str, Figures]) -> dict[str, Any]:
    """For each figure the systems, best first, and every pair of them."""
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
    """A pair of systems (`one` is the better) with their difference."""
    gap, spread = systems[one].exceeds(systems[other], name) or (0.0, None)
    return {
        "one": one,
        "other": other,
        "exceeds_by": gap,
        "exceeds_by_interval": spread,
        "told_apart": spread is not None and (spread[0] > 0 or spread[1] < 0),
    }


def ranking_lines(content: Content) -> list[str]:
    """A sentence for each figure: the systems, best first, and those without a clear difference from the best."""
    sequences = content["systems"][0]["sequences"]
    negatives = sequences["n"] - sequences["positives"]
    lines = []
    for name, found in content["ranking"].items():
        if len(found["systems"]) < 2:
            continue
        order = ", ".join(f"{one['name']} {figure(one, 'value')}" for one in found["systems"])
        most = f" (at most {int(FALSE_POSITIVE_RATE * negatives)} of {negatives})" if name == AT_1_PERCENT else ""
        lines.append(f"By {BY[name]}{most}: {order}. {_difference_sentence(found['systems'], found['pairs'])}")
    return lines


def _difference_sentence(systems: list[Content], pairs: list[Content]) -> str:
    """The systems between which and the first the data show no difference; every pair is in the JSON."""
    first = systems[0]["name"]
    equal = [one["other"] for one in pairs if one["one"] == first and not one["told_apart"]]
    if not any(one["told_apart"] for one in pairs):
        return "The data show no difference between any two of them."
    if not equal:
        return f"The data show a difference between {first} and all others."
    others = "any other" if len(equal) == len(systems) - 1 else ", ".join(equal)
    return f"The data show no difference between {first} and {others}."
