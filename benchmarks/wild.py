"""Wild snow leopards by rule: what is found, false alarms, and invocations of the model (issue 21).

    python benchmarks/wild.py --data ../shared/data [--bundle BUNDLE] [--cache DIR]

It scores the bursts of tune.csv, which are used to tune rules and not to train. The rows `ships` are the contract's own
code (`--check` also runs the bursts through `score_burst`); the others are prototypes of rules. For each variant it
prints:
- the leopards' bursts found: of three or more frames, and of one or two;
- false alarms among other bursts, single cats, five half-size crops of each cat, and the other bursts' pictures one by
  one, with exact 95 % intervals;
- the highest confidence of another burst;
- invocations of the model with early exit: means for other bursts, for leopards' bursts of three or more frames and of
  one or two, and for others' single pictures; the most for a leopard's single frame.
`left out` counts each station with the parameters chosen on the other seven: the most found with no more false alarms
of any kind than the first variant of the family, then the fewest invocations. Scores of crops are cached, so that a
second run takes a minute.
"""

import argparse
import tempfile
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean

from archive_background import STARTER, share
from wild_bursts import Burst, Scores, wild_bursts
from wild_rules import ARCHIVE, LIVE, TODAY, WHOLE_FRAMES, Outcome, Variant, families, outcome, proposed
from wild_shipped import Shipped
from wild_shipped import check as check_shipped

# What ships, by what a burst of one or two frames is compared with; a trap has its rolling background.
SHIPS = (
    Shipped("ships, no background"),
    Shipped("ships, archive", few_view="archive"),
    Shipped("ships, live order", few_view="live", long_view="live"),
)
Results = list[tuple[Burst, Outcome]]
ALARMS = ("other", "cat", "crop", "alone")


class Study:
    """Applies variants to all bursts."""

    def __init__(self, bursts: Sequence[Burst], scores: Scores) -> None:
        self.bursts, self._scores = bursts, scores

    def apply(self, variant: Variant | Shipped) -> Results:
        """The outcome of each burst by one variant."""
        if isinstance(variant, Shipped):
            return [(burst, variant.outcome(burst, self._scores)) for burst in self.bursts]
        return [(burst, outcome(burst, variant, self._scores)) for burst in self.bursts]


def of(results: Results, test: Callable[[Burst], bool]) -> list[Outcome]:
    """The outcomes of the bursts for which `test` holds."""
    return [found for burst, found in results if test(burst)]


def long_leopard(burst: Burst) -> bool:
    """A leopard's burst of three frames and more."""
    return burst.kind == "leopard" and not burst.few


def few_leopard(burst: Burst) -> bool:
    """A leopard's burst of one or two frames."""
    return burst.kind == "leopard" and burst.few


def line(name: str, results: Results) -> str:
    """A row of the table."""
    told = [positives(of(results, test)) for test in (long_leopard, few_leopard)]
    told += [positives(of(results, lambda burst, kind=kind: burst.kind == kind)) for kind in ALARMS]
    blank = of(results, lambda burst: burst.kind == "other")
    single = [n.invocations for n in of(results, lambda burst: burst.kind == "leopard" and len(burst.files) == 1)]
    alone = of(results, lambda burst: burst.kind == "alone")
    groups = (blank, of(results, long_leopard), of(results, few_leopard), alone)
    cost = " ".join(f"{fmean(one.invocations for one in group):.1f}" for group in groups)
    highest = max(one.confidence for one in blank)
    return f"| {name} | " + " | ".join(told) + f" | {highest:.2f} | {cost}, {max(single)} |"


def positives(outcomes: Iterable[Outcome]) -> str:
    """How many bursts are positive, with an interval, as text."""
    return share([one.positive for one in outcomes])


def parts(results: Results) -> str:
    """Print what is found by light, length and station, and false alarms by kind of animal."""
    leopards = [(burst, one) for burst, one in results if burst.kind == "leopard"]
    ways: dict[str, Callable[[Burst], str]] = {
        "light": lambda burst: burst.light + (", one or two" if burst.few else ", three and more"),
        "frames": lambda burst: next(f"{low}-" for low in (10, 5, 3, 2, 1) if len(burst.files) >= low),
        "station": lambda burst: burst.station,
    }
    told = []
    for way, group_of in ways.items():
        groups = sorted({group_of(burst) for burst, _ in leopards})
        counts = [f"{g} {positives(one for burst, one in leopards if group_of(burst) == g)}" for g in groups]
        told.append(f"  by {way}: " + "; ".join(counts))
    others = [(burst, one) for burst, one in results if burst.kind != "leopard"]
    for kind in ALARMS:
        animals = sorted({burst.animal for burst, _ in others if burst.kind == kind})
        counts = [f"{a} {positives(o for b, o in others if (b.kind, b.animal) == (kind, a))}" for a in animals]
        told.append(f"  false alarms, {kind}: " + "; ".join(counts))
    return "\n".join(told)


def misses(results: Results) -> str:
    """Print each missed leopard and each false alarm, frame by frame."""
    told = []
    for burst, one in results:
        if one.positive != (burst.kind == "leopard"):
            frames = ", ".join(
                f"{'-' if score is None else f'{score:.3f}'} {choice.reason}"
                + (f" {choice.region.height:.2f}" if choice.region else "")
                for score, choice in zip(one.scores, one.choices, strict=True)
            )
            told.append(f"  {burst.kind} {burst.name} {burst.station} {burst.light} {one.confidence:.3f}: {frames}")
    return "\n".join(told)


def extremes(results: Results, release: Results) -> str:
    """Print the highest frames of other bursts, and the most invocations of a leopard's burst, also for each frame."""
    frames = [n for one in of(results, lambda burst: burst.kind == "other") for n in one.scores if n is not None]
    pairs = list(zip(of(results, long_leopard), of(release, long_leopard), strict=True))
    most = max(one.invocations / before.invocations for one, before in pairs)
    a_frame = max(one.invocations / len(one.choices) for one, _ in pairs)
    cost = f"at most {a_frame:.1f} invocations a frame, {most:.1f} times those of release 0.1"
    return f"  highest frame of others {max(frames):.3f}; leopards, three and more: {cost}"


def check(release: Results, scores: Scores) -> str:
    """Compare the prototype of the released rules with `score_burst`."""
    bursts = [(burst, one) for burst, one in release if burst.kind in ("leopard", "other")]
    same = sum(
        scores.verdict(burst, True)[0] == one.confidence and scores.verdict(burst, False)[1] == one.invocations
        for burst, one in bursts
    )
    return f"{same} of {len(bursts)} bursts as `score_burst` has them (confidence, frames before early exit)"


def best(tried: Sequence[tuple[Variant, Results]], counts: Callable[[Burst], bool], crops: int = 0) -> int:
    """The variant that finds most leopards without more false alarms than the first one; then the cheapest.

    Up to `crops` false alarms on crops are allowed even if the first variant has fewer.
    """
    allowed = [max(alarms(tried[0][1], kind), crops if kind == "crop" else 0) for kind in ALARMS]

    def merit(n: int) -> tuple[int, float, int]:
        results = tried[n][1]
        found = sum(one.positive for burst, one in results if burst.kind == "leopard" and counts(burst))
        return found, -fmean(one.invocations for _, one in results), -n

    fit = [
        n
        for n, (_, results) in enumerate(tried)
        if all(alarms(results, kind) <= most for kind, most in zip(ALARMS, allowed, strict=True))
    ]
    return max(fit, key=merit)


def alarms(results: Results, kind: str) -> int:
    """How many bursts of that kind are false alarms."""
    return sum(one.positive for burst, one in results if burst.kind == kind)


def left_out(tried: Sequence[tuple[Variant, Results]], crops: int = 0) -> tuple[int, int]:
    """What is found of three or more frames, and of one or two, each station with the variant chosen on the others."""
    stations = {burst.station for burst, _ in tried[0][1] if burst.kind == "leopard"}
    long = few = 0
    for station in sorted(stations):
        results = tried[best(tried, lambda burst, station=station: burst.station != station, crops)][1]
        here = [(burst, one) for burst, one in results if burst.station == station and one.positive]
        long += sum(long_leopard(burst) for burst, _ in here)
        few += sum(few_leopard(burst) for burst, _ in here)
    return long, few


def differences(variant: Variant) -> str:
    """The fields in which a variant differs from the release, as text."""
    fields = [n for n in TODAY.__dataclass_fields__ if n != "name" and getattr(variant, n) != getattr(TODAY, n)]
    told: dict[str, object] = {n: getattr(variant, n) for n in fields}
    for name in TODAY.rule.__struct_fields__ if "rule" in told else ():
        if (value := getattr(variant.rule, name)) != getattr(TODAY.rule, name):
            told["rule"] = f"{name} {value}"
    return ", ".join(f"{n} {value}" for n, value in told.items()) or "release"


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=STARTER)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "uncia-wild")
    parser.add_argument("--only", default="", help="only families whose name contains this")
    parser.add_argument("--all", action="store_true", help="print each variant that was tried, not only the chosen one")
    parser.add_argument(
        "--crops", type=int, default=0, help="false alarms allowed on crops of cats, if the family's first has fewer"
    )
    parser.add_argument("--flash-apart", action="store_true", help="a background of its own for white flash")
    parser.add_argument("--check", action="store_true", help="compare the rows `ships` with score_burst")
    parser.add_argument("--ships", action="store_true", help="only the rows `ships` and release 0.1")
    arguments = parser.parse_args()
    scores = Scores(arguments.data, arguments.bundle, arguments.cache)
    study = Study(wild_bursts(arguments.data, scores, arguments.cache, arguments.flash_apart), scores)
    columns = "rule, three and more, one or two, others, cats, crops of cats, others alone, highest other, invocations"
    print("| " + columns.replace(", ", " | ") + " |\n" + "|---" * 9 + "|")
    shown: tuple[Variant | Shipped, ...] = (*SHIPS, TODAY, WHOLE_FRAMES, ARCHIVE, LIVE)
    shown += (proposed(TODAY), proposed(ARCHIVE), proposed(LIVE))
    shown += (replace(proposed(LIVE), name="the same, second looks not capped", capped=False),)
    shown += (replace(shown[-1], name="... whether a frame was seen or not", sighted=0.0),)
    shown += (replace(shown[-1], name="... without the logit taken off", long_off=0.0),)
    if arguments.ships:
        shown = (*SHIPS, TODAY, LIVE)
    fixed = {one.name: study.apply(one) for one in shown}
    for name, results in fixed.items():
        print(line(name, results), flush=True)
    if arguments.check:
        print(check_shipped([(rules, fixed[rules.name]) for rules in SHIPS], scores), flush=True)
        if scores.manifest.second_look is None:
            print(check(fixed[TODAY.name], scores))
    for name, variants in families().items():
        if arguments.only not in name or arguments.ships:
            continue
        tried = [(one, study.apply(one)) for one in variants]
        chosen, (long, few) = best(tried, lambda _: True, arguments.crops), left_out(tried, arguments.crops)
        print(line(f"{name}: {differences(tried[chosen][0])}; left out {long} + {few}", tried[chosen][1]), flush=True)
        for variant, results in tried[1:] if arguments.all else []:
            found = [sum(one.positive for one in of(results, t)) for t in (long_leopard, few_leopard)]
            print("   ", *found, *(alarms(results, kind) for kind in ALARMS), differences(variant), flush=True)
    for name, results in fixed.items():
        print(f"\n{name}\n{extremes(results, fixed[TODAY.name])}\n{parts(results)}\n{misses(results)}")


if __name__ == "__main__":
    main()
