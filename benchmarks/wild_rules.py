"""Prototypes of rules for `benchmarks/wild.py`; the trap uses none of them.

A variant says which regions of each frame are scored, which frames count, and how their scores become a confidence. A
family of variants is one variant with some fields replaced.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from functools import cache, partial
from math import fsum
from typing import Literal
from unittest import mock

import numpy as np

import uncia_contract.bursts.regions as regions_module
from uncia_contract.bursts.decisions import scoring_order
from uncia_contract.bursts.frame_scores import logit, lowered
from uncia_contract.bursts.regions import RegionChoice, RegionRule, regions
from uncia_contract.bursts.scene_changes import ReferenceFrame, camera_moved
from uncia_contract.bursts.second_look import widened, window
from uncia_contract.pictures.region import Region
from wild_bursts import Burst, Scores, within

Windows = Literal["none", "four", "eleven", "led"]
View = Literal["none", "archive", "live"]
Look = Callable[[Region | None], float]
# The whole frame, four windows of 0.6 x 0.8 and six of 0.45 x 0.6: nearly square in frames of 4:3.
ELEVEN = (
    None,
    *(Region(x, y, 0.6, 0.8) for y in (0.0, 0.2) for x in (0.0, 0.4)),
    *(Region(x, y, 0.45, 0.6) for y in (0.0, 0.4) for x in (0.0, 0.275, 0.55)),
)
FOUR = ELEVEN[1:5]
LED = (0.3, 0.45, 0.65)  # sides of windows about the activation's peak
BLOCKS = (6, 8)  # of a frame, down and across, in which scenery may stand still


@dataclass(frozen=True)
class Variant:
    """The rules from thumbnails and a scorer to a verdict; the defaults are those of release 0.1."""

    name: str
    regions: bool = True
    rule: RegionRule = field(default_factory=RegionRule)
    few_view: View = "none"  # background of bursts of one or two frames
    long_view: View = "none"  # ... of three and more
    long_from: Literal["still", "whole", "all"] = "still"  # where that background takes the median's place
    still_share: float = 1.0  # a camera has not moved where so much of the scenery stands still
    grow: float = (
        1.0  # bursts of three and more: regions with a side under `grow_below` of the height are widened so much
    )
    grow_below: float = 1.0
    unite: float = 0.0  # regions of frames beside are united where the union's side is at most this
    abstain: bool = False  # frames that show no change do not vote, where others do
    at_least: int = 1  # ... where at least so many others do
    second: tuple[float, float, float, float] | None = None  # side below, score from, to, logits taken off a maximum
    second_grow: float = 0.0  # the second look: 0 at the whole frame, else at the region widened so much
    sighted: float = 0.0  # bursts of three and more: second looks only once a frame has scored this much
    capped: bool = False  # ... and while they cost no more invocations than the burst has frames
    windows: Windows = "none"  # of bursts of one or two frames
    long_windows: Windows = "none"  # of frames without a region in longer bursts
    doubt: tuple[float, float] = (0.02, 0.5)  # scores of the first look after which windows are looked at
    best: int = 3  # windows whose mean counts
    least: bool = False  # ... or the least of which counts
    joined: bool = False  # ... or, of one or two frames, the mean of its logit and that of the higher look before
    windows_off: float = 0.0  # logits taken off that in bursts of one or two frames
    long_off: float = 0.0  # ... in longer bursts
    upper: float = 1.0  # the mean of this share of the highest scores counts


# What does not change regions, at its default: so they are found once for many variants.
OF_REGIONS = ("regions", "rule", "few_view", "long_view", "long_from", "still_share", "grow", "grow_below", "unite")
NOT_OF_REGIONS = {n: one.default for n, one in Variant.__dataclass_fields__.items() if n not in OF_REGIONS} | {
    "name": ""
}


@dataclass(frozen=True)
class Outcome:
    """A variant's verdict on a burst; `invocations` of the model with early exit, `all_invocations` without."""

    confidence: float
    positive: bool
    scores: tuple[float | None, ...]
    choices: tuple[RegionChoice, ...]
    invocations: int
    all_invocations: int


def outcome(burst: Burst, variant: Variant, scores: Scores) -> Outcome:
    """The verdict with every counted frame scored, and the invocations that early exit would need."""
    choices = chosen(burst, replace(variant, **NOT_OF_REGIONS))
    voters = voting(choices, variant)
    order = [voters[place] for place in scoring_order(len(voters))]
    threshold, given, looks, settled = scores.manifest.decision_rule.threshold, {}, set(), 0

    def look(n: int, region: Region | None) -> float:
        looks.add((n, region))
        return scores.of(burst.files[n], within(region, burst.base))

    for n in order:
        first = look(n, choices[n].region)
        room = not variant.capped or len(looks) - len(given) - 1 + len(LED) <= len(voters)
        sighted = burst.few or (room and max([first, *given.values()]) >= variant.sighted)
        again = looked_again(burst, n, choices[n], first, variant, partial(look, n), scores) if sighted else first
        given[n] = max(first, again)
        highest = aggregated([*given.values(), *[1.0] * (len(voters) - len(given))], variant)
        settled = settled or (len(looks) if highest < threshold else 0)
    confidence = aggregated(list(given.values()), variant)
    told = tuple(given.get(n) for n in range(len(choices)))
    return Outcome(confidence, confidence >= threshold, told, tuple(choices), settled or len(looks), len(looks))


# What is looked at.


@cache
def chosen(burst: Burst, variant: Variant) -> list[RegionChoice]:
    """The region of each frame to score first."""
    if not variant.regions:
        return [RegionChoice(None, "off")] * len(burst.files)
    with _moved(variant.still_share):
        found = _found(burst, variant)
    if variant.unite:
        found = united(found, burst, variant.unite)
    if variant.grow > 1 and not burst.few:
        found = [_grown(choice, burst, variant) for choice in found]
    return found


def _found(burst: Burst, variant: Variant) -> list[RegionChoice]:
    if burst.few:
        return regions(burst.greys, variant.rule, view_of(burst, variant.few_view))
    view = view_of(burst, variant.long_view)
    own = regions(burst.greys, variant.rule, view)
    if view is None or variant.long_from == "still":
        return own
    against = [regions([grey], variant.rule, view)[0] if grey.shape == view.shape else None for grey in burst.greys]
    return [
        RegionChoice(other.region, "background")
        if other and other.region and (variant.long_from == "all" or mine.region is None)
        else mine
        for mine, other in zip(own, against, strict=True)
    ]


def view_of(burst: Burst, which: View) -> np.ndarray | None:
    """The background that a burst is compared with."""
    return {"none": None, "archive": burst.archive, "live": burst.live}[which]


def _moved(still_share: float):
    if still_share >= 1:
        return nullcontext()

    def rule(frame: np.ndarray, reference: ReferenceFrame) -> bool:
        return camera_moved(frame, reference) and standing(frame, reference.frame) < still_share

    return mock.patch.object(regions_module, "camera_moved", rule)


def standing(frame: np.ndarray, reference: np.ndarray) -> float:
    """The share of textured blocks that are unchanged and in the same place (correlation over 0.8)."""
    alike = []
    for one, other in zip(_blocks(frame), _blocks(reference), strict=True):
        if other.std() > 3:
            alike.append(float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) > 0.8 if one.std() > 1 else False)
    return float(np.mean(alike)) if alike else 0.0


def _blocks(frame: np.ndarray) -> list[np.ndarray]:
    return [part for row in np.array_split(frame, BLOCKS[0]) for part in np.array_split(row, BLOCKS[1], axis=1)]


def _grown(choice: RegionChoice, burst: Burst, variant: Variant) -> RegionChoice:
    if choice.region is None or choice.region.height >= variant.grow_below:
        return choice
    return RegionChoice(widened(choice.region, variant.grow), choice.reason)


def united(choices: Sequence[RegionChoice], burst: Burst, most: float) -> list[RegionChoice]:
    """Each region united with those of the neighbouring frames and made square, unless that is too high."""
    height, width = burst.greys[0].shape
    found = []
    for n, choice in enumerate(choices):
        beside = [one.region for one in choices[max(n - 1, 0) : n + 2] if one.region]
        if choice.region is None or not beside:
            found.append(choice)
            continue
        left, top = min(one.left for one in beside), min(one.top for one in beside)
        right = max(one.left + one.width for one in beside)
        bottom = max(one.top + one.height for one in beside)
        side = max((right - left) * width, (bottom - top) * height)
        square = Region((left + right) / 2, (top + bottom) / 2, 0.0, 0.0)
        box = Region(square.left - side / width / 2, square.top - side / height / 2, side / width, side / height)
        found.append(RegionChoice(widened(box, 1.0), choice.reason) if side <= most * height else choice)
    return found


# What a frame scores.


def looked_again(
    burst: Burst, n: int, choice: RegionChoice, first: float, variant: Variant, look: Look, scores: Scores
) -> float:
    """The score of one frame's second look, if the first score is in doubt; 0 without a second look."""
    if variant.second and choice.region is not None:
        below, least, most, off = variant.second
        if choice.region.height < below and least <= first < most:
            again = widened(choice.region, variant.second_grow) if variant.second_grow else None
            first = max(first, shifted(look(again), -off))
    if burst.few:
        search, off = variant.windows, variant.windows_off
        if not variant.doubt[0] <= first < variant.doubt[1]:
            return first
    else:
        search, off = ("none", 0.0) if choice.region else (variant.long_windows, variant.long_off)
    if search == "none" or first >= variant.doubt[1]:
        return first
    highest = sorted(map(look, _windows(search, burst, n, look, scores)), reverse=True)
    counted = highest[variant.best - 1] if variant.least else fsum(highest[: variant.best]) / variant.best
    if burst.few and variant.joined:
        first = max(first, look(None))
        return max(first, shifted(counted, (logit(first) - logit(counted)) / 2 - off))
    return shifted(counted, -off)


def _windows(search: Windows, burst: Burst, n: int, look: Look, scores: Scores) -> Sequence[Region | None]:
    if search != "led":
        return ELEVEN if search == "eleven" else FOUR
    look(None)  # whose activation map it is
    peak = scores.peak(burst.files[n], burst.base)
    return [window(peak, side, burst.greys[0].shape[::-1]) for side in LED]


def shifted(score: float, logits: float) -> float:
    """A probability with that many logits added."""
    return lowered(score, -logits)


# What they come to.


def voting(choices: Sequence[RegionChoice], variant: Variant) -> list[int]:
    """The frames that count: all, or those with a visible change."""
    seen = [n for n, choice in enumerate(choices) if choice.reason not in ("no-change", "neighbour")]
    return seen if variant.abstain and len(seen) >= variant.at_least else list(range(len(choices)))


def aggregated(scores: Sequence[float], variant: Variant) -> float:
    """The mean of the highest scores; rounded up to whole frames."""
    count = -(-len(scores) * variant.upper // 1)
    highest = sorted(scores, reverse=True)[: max(1, int(count))]
    return fsum(highest) / len(highest)


TODAY = Variant("release 0.1: regions, no background")
WHOLE_FRAMES = Variant("whole frames", regions=False)
ARCHIVE = replace(TODAY, name="archive: neighbours for one or two", few_view="archive")
LIVE = replace(TODAY, name="live order: rolling background", few_view="live", long_view="live")


def proposed(base: Variant) -> Variant:
    """The proposal of decision 0013, with a background for bursts of one or two frames."""
    long = replace(
        base,
        grow=1.5,
        grow_below=0.4,
        second=(1.1, 0.0, 0.5, 0.0),
        sighted=0.5,
        long_windows="led",
        long_off=1.0,
        capped=True,
    )
    return replace(long, name=f"proposed; {base.name}", windows="led", best=2, least=True, windows_off=2.5)


def grid(base: Variant, **choices: Sequence[object]) -> list[Variant]:
    """The base, and a variant of it for each combination of values."""
    found = [base]
    for name, values in choices.items():
        found = [replace(one, **{name: value}) for one in found for value in values]
    return [base, *found]


def families() -> dict[str, list[Variant]]:
    """The variants to choose from, by the name of the rule; the first of each is the one to compare with."""
    return _regions_families() | _second_families() | _few_families()


def _regions_families() -> dict[str, list[Variant]]:
    floors = [RegionRule(min_side=side) for side in (0.3, 0.4, 0.5)]
    shares = [RegionRule(min_share=share) for share in (0.0, 0.2)]
    wide = [RegionRule(upheaval=share) for share in (0.7, 0.85, 1.0)]
    return {
        "abstain: frames that show nothing": grid(TODAY, abstain=[True], at_least=[1, 2, 3]),
        "regions: a floor on the side": grid(TODAY, rule=floors),
        "regions: small ones widened": grid(TODAY, grow=[1.5, 2.0], grow_below=[0.3, 0.4, 0.6]),
        "regions: all widened": grid(TODAY, grow=[1.5], grow_below=[1.1]),
        "regions: united with those beside": grid(TODAY, unite=[0.5, 0.7, 0.9]),
        "regions: strongest patch where scattered": grid(TODAY, rule=shares),
        "regions: more change before the scene counts as changed": grid(TODAY, rule=wide),
        "camera: moved only where no scenery stands": grid(TODAY, still_share=[0.05, 0.1, 0.2, 0.35]),
        "background: the archive's in longer bursts": grid(
            TODAY, long_view=["archive"], long_from=["still", "whole", "all"]
        ),
        "aggregator: mean of the upper part": grid(TODAY, upper=[0.34, 0.5, 0.67, 0.8]),
    }


def _second_families() -> dict[str, list[Variant]]:
    wide = [(1.1, least, 0.5, off) for least in (0.02, 0.05) for off in (0.0, 0.5, 1.0)]
    low = [(1.1, least, 0.5, off) for least in (0.0, 0.02) for off in (0.0, 0.5, 1.0)]
    plain = [(1.1, 0.0, 0.5, off) for off in (0.0, 0.5)]
    looks: dict[str, Sequence[object]] = {"second": plain, "second_grow": [0.0, 2.0], "sighted": [0.2, 0.5]}
    windows: dict[str, Sequence[object]] = {
        "long_windows": ["four", "led"],
        "best": [2],
        "least": [True, False],
        "long_off": [0.0, 1.0],
    }
    grown: dict[str, Sequence[object]] = {"grow": [1.5], "grow_below": [0.4]}
    return {
        "second look: doubtful regions": grid(TODAY, second=wide, second_grow=[0.0, 1.5, 2.0]),
        "second look: ... once a frame was seen": grid(
            TODAY, second=low, second_grow=[0.0, 1.5, 2.0], sighted=[0.1, 0.2, 0.5]
        ),
        "second look: ... and windows without a region": grid(TODAY, **looks, **windows),
        "second look: ... and small regions widened": grid(TODAY, **looks, **windows, **grown),
        "second look: ... and upper part": grid(TODAY, **looks, upper=[0.5, 0.67, 0.8]),
    }


def _few_families() -> dict[str, list[Variant]]:
    windows: dict[str, Sequence[object]] = {"best": [1, 2, 3], "least": [False, True]}
    off = {"windows_off": [0.5 * n for n in range(7)]}
    looks: dict[str, Sequence[object]] = {"second": [(1.1, 0.02, 0.5, 0.0)], "second_grow": [0.0, 2.0, 3.0]}
    found: dict[str, list[Variant]] = {}
    for base in (TODAY, ARCHIVE, LIVE):
        for kind in ("four", "eleven", "led"):
            found[f"windows: {kind}; {base.name}"] = grid(base, windows=[kind], **windows, **off)
        joined: dict[str, Sequence[object]] = {"windows": ["led"], "joined": [True], "best": [2], "least": [True]}
        found[f"windows: led, joined; {base.name}"] = grid(base, **joined, windows_off=[0.25 * n for n in range(11)])
        if base is not TODAY:
            found[f"second look: one or two frames; {base.name}"] = grid(base, **looks)
    return found
