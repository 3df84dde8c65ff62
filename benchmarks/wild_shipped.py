"""The rules that ship, for `benchmarks/wild.py`: the contract's own code on the cached scores.

`check` scores whole bursts from their pictures with `score_burst` and compares.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from uncia_contract.bursts.decisions import EarlyExit
from uncia_contract.bursts.frame_scores import FrameScore
from uncia_contract.bursts.regions import regions
from uncia_contract.bursts.second_look import SecondLook, SecondLooks, Seen
from uncia_contract.pictures.light import Light
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.score_burst import score_burst
from wild_bursts import Burst, Scores, within
from wild_rules import Outcome, View, view_of


@dataclass(frozen=True)
class Shipped:
    """The bundle's rules, and the background to compare a burst with; `few_view` for one or two frames."""

    name: str
    few_view: View = "none"
    long_view: View = "none"

    def outcome(self, burst: Burst, scores: Scores) -> Outcome:
        """As `wild_rules.outcome`: the verdict with every frame scored, and the invocations with early exit."""
        full, early = (_Pass(burst, self.view(burst), scores, every_frame) for every_frame in (True, False))
        if full.early_exit.decide().positive != early.early_exit.decide().positive:
            raise AssertionError(f"{burst.name}: early exit changes the verdict")
        decision = full.early_exit.decide()
        told = tuple(float(full.seen[n].score) if n in full.seen else None for n in range(len(burst.files)))
        choices = tuple(full.seen[n].choice for n in range(len(burst.files)))
        return Outcome(decision.confidence, decision.positive, told, choices, len(early.looks), len(full.looks))

    def view(self, burst: Burst) -> np.ndarray | None:
        """The background that the burst is compared with."""
        return view_of(burst, self.few_view if burst.few else self.long_view)


class _Pass:
    """One burst scored by `EarlyExit` and `SecondLooks`; `looks` are the invocations of the model."""

    def __init__(self, burst: Burst, view: np.ndarray | None, scores: Scores, every_frame: bool) -> None:
        rules = scores.manifest
        rule = rules.second_look or SecondLook()
        choices = [rule.first_choice(one, len(burst.files)) for one in regions(burst.greys, rules.region_rule, view)]
        self.early_exit = EarlyExit(range(len(choices)), rules.decision_rule, every_frame)
        self.looks: list[tuple[int, Region | None]] = []
        self.seen: dict[int, Seen] = {}
        again = SecondLooks(rule, len(choices))
        while certain := self.early_exit.certain():
            n = certain[0]
            look = self._look(burst, n, scores)
            first = Seen(look([choices[n].region])[0], choices[n])
            self.seen[n] = again.final(first, burst.greys[n].shape[::-1], look)
            self.early_exit.scores[n] = float(self.seen[n].score)

    def _look(self, burst: Burst, n: int, scores: Scores) -> Callable[[Sequence[Region | None]], list[FrameScore]]:
        def look(places: Sequence[Region | None]) -> list[FrameScore]:
            self.looks += [(n, place) for place in places]
            return [scores.seen(burst.files[n], within(place, burst.base), place is None) for place in places]

        return look


class _Fixed:
    """A background that is known already."""

    def __init__(self, view: np.ndarray | None) -> None:
        self._view = view

    def seen(self, shape: tuple[int, ...], light: Light) -> np.ndarray | None:
        """The background for thumbnails of that shape."""
        return self._view if self._view is not None and self._view.shape == shape else None


def check(rows: Sequence[tuple[Shipped, Sequence[tuple[Burst, Outcome]]]], scores: Scores) -> str:
    """How many bursts `score_burst` decides like the rows: confidence, regions, reasons."""
    same = count = 0
    for rules, results in rows:
        for burst, one in results:
            if burst.kind in ("leopard", "other"):
                view = rules.view(burst)
                found = score_burst(
                    [scores.reader(file) for file in burst.files], scores.classifier, background=_Fixed(view),
                    every_frame=True, workers=1,
                )  # fmt: skip
                count += 1
                told = [(frame.score, frame.region, frame.reason) for frame in found.frames] if found else []
                expected = [(s, c.region, c.reason) for s, c in zip(one.scores, one.choices, strict=True)]
                same += told == expected
    return f"{same} of {count} bursts as `score_burst` has them (each frame's score, region and reason)"
