"""EfficientNet-Lite0, -Lite1 and -Lite2 on wild bursts, in int8 and in float (issue 21; decision 0014).

    python benchmarks/wild_backbones.py --data ../shared/data \\
        --backbones runs/lite0 runs/lite1 runs/lite2

A backbone is a folder of `uncia-convert backbone --pictures 600`, as for the starter, or a bundle, whose backbone is
used. Heads are fitted by the trainer on labels.csv without split `test`; rows of tune.csv are only scored. It prints:

1. each backbone in int8 and float, with the rules of release 0.1 and with the higher score of region and whole frame;
2. for the first one, the effect of int8, of the views a head learns from, of their random draw, and of calibration;
3. bursts in which the light changes, and the effect of one median for each light;
4. labels.csv scored by held-out heads: stills, bursts and five half-size crops of each, by kind;
5. milliseconds and processor time of an invocation, with the networks measured alternately.

Counts have exact 95 % intervals. Features are cached: the first run takes about 20 minutes, later ones one minute.
"""

import argparse
import csv
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import fmean, median
from types import SimpleNamespace

import numpy as np
from sklearn.metrics import average_precision_score

from archive_background import share
from uncia_contract.bursts.regions import RegionRule, regions
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequence_key
from uncia_converter.edgetpu import objections
from uncia_training.features.networks import FLOAT, INT8
from uncia_training.fitting.head_fit import HeadFit
from uncia_training.fitting.logistic import to_head
from uncia_training.fitting.selection import probabilities
from wild_bursts import FIVE_CROPS, Burst, wild_bursts, within
from wild_features import VIEWS, Fitted, Network, score

RULE = RegionRule()
THRESHOLD = 0.5
ALARMS = ("other", "cat", "crop", "alone")
TRAP_CATS = ("leopard", "tiger", "cougar", "bobcat", "ocelot", "puma", "cheetah", "jaguar", "lion", "caracal")
BLANK = {"burrow_scene": "mud and burrows, nothing on them", "empty": "empty"}
Score = Callable[[str, Region | None], float]


@dataclass(frozen=True)
class Way:
    """What is scored of a burst: a background for one or two frames, and whether the whole frame is scored too."""

    name: str
    live: bool = False
    whole_too: bool = False

    def confidence(self, burst: Burst, of: Score) -> float:
        """The mean of the frames' scores."""
        looks = looked_at(burst, self.live)
        return fmean(self._frame(burst, file, region, of) for file, region in zip(burst.files, looks, strict=True))

    def _frame(self, burst: Burst, file: str, region: Region | None, of: Score) -> float:
        seen = [within(region, burst.base)] + ([burst.base] if self.whole_too else [])
        return max(of(file, one) for one in seen)


WAYS = (
    Way("release 0.1"),
    Way("live order", live=True),
    Way("max(region, whole)", whole_too=True),
    Way("max(region, whole), live order", live=True, whole_too=True),
)


@cache
def looked_at(burst: Burst, live: bool) -> list[Region | None]:
    """The region to score of each frame; None for the whole frame."""
    return [choice.region for choice in regions(burst.greys, RULE, burst.live if live else None)]


def crops(bursts: Sequence[Burst]) -> Iterator[tuple[str, Region]]:
    """All crops that are scored by any way."""
    for burst in bursts:
        for live in (False, True):
            for file, region in zip(burst.files, looked_at(burst, live), strict=True):
                yield file, within(region, burst.base)
        yield from ((file, burst.base) for file in burst.files)


def told(bursts: Sequence[Burst], way: Way, of: Score) -> str:
    """A row's figures: found long and short bursts, false alarms by kind, the highest other burst."""
    confidence = {burst: way.confidence(burst, of) for burst in bursts}
    positive = {burst: value >= THRESHOLD for burst, value in confidence.items()}
    leopards = [[positive[b] for b in bursts if b.kind == "leopard" and b.few == few] for few in (False, True)]
    alarms = [[positive[b] for b in bursts if b.kind == kind] for kind in ALARMS]
    highest = max(value for burst, value in confidence.items() if burst.kind == "other")
    return " | ".join([*map(share, leopards + alarms), f"{highest:.2f}"])


def misses(bursts: Sequence[Burst], way: Way, of: Score) -> str:
    """Which long bursts are missed, and which others are false alarms."""
    wrong = [(b, way.confidence(b, of)) for b in bursts if not (b.kind == "leopard" and b.few) and b.kind != "crop"]
    return ", ".join(f"{b.name} {value:.2f}" for b, value in wrong if (value >= THRESHOLD) != (b.kind == "leopard"))


def backbones_table(networks: Sequence[Network], bursts: Sequence[Burst]) -> None:
    """Part 1."""
    print("\n| backbone, way | three and more | one or two | others | cats | crops of cats | alone | highest other |")
    print("|---" * 8 + "|")
    for network in networks:
        for precision in (INT8, FLOAT):
            fit = network.fitted(precision, "all").fit
            of = partial(score, network, precision, fit)
            for way in WAYS:
                print(f"| {network.name}, {precision}, {way.name} | {told(bursts, way, of)} |", flush=True)
            print(f"  C {fit.trials[0].c:.3g}; wrong by {WAYS[2].name}: {misses(bursts, WAYS[2], of)}")


def reasons_table(network: Network, bursts: Sequence[Burst]) -> None:
    """Part 2. The last column reads features of the other precision with the same head."""
    print(
        "\n| head on, views, calibration | C | slope | 3+ | 1 or 2 | cats | crops | AP, few | logit, few | other, few |"
    )
    print("|---" * 10 + "|")
    for precision in (INT8, FLOAT):
        for views in VIEWS:
            fitted = network.fitted(precision, views)
            for name, fit in (("calibrated", fitted.fit), ("not", fitted.uncalibrated())):
                cells = [_reason(network, bursts, fit, read) for read in (precision, _other(precision))]
                best = fit.trials[0]
                row = f"{precision}, {views}, {name} | {best.c:.3g} | {best.calibration.slope:.2f}"
                print(f"| {row} | {cells[0]} | {cells[1].split(' | ')[1]} |", flush=True)


def draws_table(network: Network, bursts: Sequence[Burst], draws: int) -> None:
    """Part 2, its last rows: the scenes and flashes of the training pictures drawn anew."""
    for draw in range(1, draws + 1):
        fit = network.fitted(INT8, "all", draw=draw).fit
        best = fit.trials[0]
        row = f"int8, drawn anew, {draw} | {best.c:.3g} | {best.calibration.slope:.2f}"
        print(f"| {row} | {_reason(network, bursts, fit, INT8)} | |", flush=True)


def _other(precision: str) -> str:
    return FLOAT if precision == INT8 else INT8


def _reason(network: Network, bursts: Sequence[Burst], fit: HeadFit, precision: str) -> str:
    confidence = {burst: WAYS[0].confidence(burst, partial(score, network, precision, fit)) for burst in bursts}
    leopards = [[confidence[b] for b in bursts if b.kind == "leopard" and b.few == few] for few in (False, True)]
    counts = [sum(value >= THRESHOLD for value in one) for one in leopards]
    counts += [sum(confidence[b] >= THRESHOLD for b in bursts if b.kind == kind) for kind in ("cat", "crop")]
    against = [confidence[b] for b in bursts if b.kind in ("cat", "alone")]
    truth = [True] * len(leopards[1]) + [False] * len(against)
    ranked = average_precision_score(truth, leopards[1] + against)
    logit = fmean(float(np.log(p / (1 - p))) for p in np.clip(leopards[1], 1e-6, 1 - 1e-6))
    return " | ".join([*map(str, counts), f"{ranked:.3f}", f"{logit:.2f}"])


def lights_table(network: Network, bursts: Sequence[Burst], lights: dict[str, str]) -> None:
    """Part 3."""
    of = partial(score, network, INT8, network.fitted(INT8, "all").fit)
    mixed = [burst for burst in bursts if burst.kind in ("leopard", "other") and len(seen_in(burst, lights)) > 1]
    print(f"\nThe light switches within {len(mixed)} of {sum(b.kind in ('leopard', 'other') for b in bursts)} bursts")
    for burst in mixed:
        order = "".join(lights[file][0] for file in burst.files)
        own = fmean(of(file, region) for file, region in zip(burst.files, by_light(burst, lights), strict=True))
        reasons = ", ".join(choice.reason for choice in regions(burst.greys, RULE))
        print(
            f"  {burst.kind} {burst.name} {order}: {WAYS[0].confidence(burst, of):.3f}; by light {own:.3f} ({reasons})"
        )


def seen_in(burst: Burst, lights: dict[str, str]) -> set[str]:
    """The lights of a burst's frames, as the trap classifies them."""
    return {lights[file] for file in burst.files}


def by_light(burst: Burst, lights: dict[str, str]) -> list[Region | None]:
    """Regions found separately among the frames of each light."""
    found: dict[str, Region | None] = {}
    for light in seen_in(burst, lights):
        own = [n for n, file in enumerate(burst.files) if lights[file] == light]
        choices = regions([burst.greys[n] for n in own], RULE)
        found |= {burst.files[n]: choice.region for n, choice in zip(own, choices, strict=True)}
    return [found[file] for file in burst.files]


def scene(picture: LabelledPicture) -> str:
    """The kind of scene of a picture of labels.csv."""
    species = species_of(picture.path.parents[len(Path(picture.file).parts) - 1])[picture.file]
    if picture.label == "snow_leopard":
        return "snow leopards, web"
    if picture.label == "blank":
        return BLANK.get(species, "empty")
    if picture.source == "kaggle10":
        return "other cats, web"
    return "other cats, traps" if any(cat in species for cat in TRAP_CATS) else "other animals, traps"


@cache
def species_of(data: Path) -> dict[str, str]:
    """The species of each picture of labels.csv."""
    with (data / "labels.csv").open(newline="") as rows:
        return {row["file"]: row["species"] for row in csv.DictReader(rows)}


def held_out_table(network: Network, split: str) -> None:
    """Part 4: sequences by the mean of their scored crops, and half-size crops, by the heads of the folds."""
    fitted = network.fitted(INT8, "all", split)
    best, rows = fitted.fit.trials[0], fitted.rows
    chances = 1 - probabilities(best.logits, best.calibration)[:, 0]
    groups: dict[tuple[str, ...], list[int]] = defaultdict(list)
    for number, crop in enumerate(rows.crops):
        if rows.scored[number]:
            groups[sequence_key(crop.picture)].append(number)
    wholes: dict[str, list[bool]] = defaultdict(list)
    for numbers in groups.values():
        first, kind = rows.crops[numbers[0]].picture, "bursts" if len(numbers) > 1 else "single pictures"
        wholes[f"{scene(first)}, {kind}"].append(float(chances[numbers].mean()) >= THRESHOLD)
    for kind, positive in sorted(wholes.items()):
        print(f"| {network.name}, {split} | {kind} | {share(positive)} |", flush=True)
    for kind, positive in sorted(_crop_alarms(network, fitted).items()):
        print(f"| {network.name}, {split} | {kind}, half-size crops | {share(positive)} |", flush=True)


def _crop_alarms(network: Network, fitted: Fitted) -> dict[str, list[bool]]:
    best = fitted.fit.trials[0]
    heads = [to_head(model, best.calibration) for model in best.models]
    found: dict[str, list[bool]] = defaultdict(list)
    for crop, fold in zip(fitted.rows.crops, best.folds, strict=True):
        if crop.region is None:
            for part in FIVE_CROPS:
                row = network.features(crop.picture.file, part, INT8)[np.newaxis]
                found[scene(crop.picture)].append(bool(heads[fold].probabilities(row)[0, 1] >= THRESHOLD))
    return found


def speed_table(networks: Sequence[Network], rounds: int = 60) -> None:
    """Part 5: networks run alternately, so that other load on the machine affects all alike."""
    print("\n| backbone | threads | ms, median | ms, fastest | processor ms, median | MB | Edge TPU objections |")
    print("|---" * 7 + "|")
    for threads in (1, 2):
        runners = [Interpreter(network.model, threads=threads) for network in networks]
        images = [np.zeros(runner.input.shape[1:], np.uint8) + 97 for runner in runners]
        taken: list[list[tuple[float, float]]] = [[] for _ in networks]
        for _ in range(rounds):
            for number, runner in enumerate(runners):
                taken[number].append(_timed(runner, images[number]))
        for network, times in zip(networks, taken, strict=True):
            wall, used = zip(*times, strict=True)
            size = f"{len(network.model) / 1e6:.1f} | {len(objections(network.model))}"
            print(
                f"| {network.name} | {threads} | {median(wall):.1f} | {min(wall):.1f} | {median(used):.1f} | {size} |"
            )


def _timed(runner: Interpreter, image: np.ndarray, repeats: int = 5) -> tuple[float, float]:
    wall, used = time.perf_counter(), time.process_time()
    for _ in range(repeats):
        runner.run(image, runner.outputs[:1])
    return tuple(
        1000 * (now - then) / repeats for now, then in ((time.perf_counter(), wall), (time.process_time(), used))
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbones", type=Path, nargs="+", required=True)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "uncia-wild")
    parser.add_argument("--draws", type=int, default=3, help="of the scenes and flashes, besides the trainer's")
    parser.add_argument("--only-speed", action="store_true")
    given = parser.parse_args()
    networks = [Network(folder, given.data, given.cache) for folder in given.backbones]
    if not given.only_speed:
        bursts, lights = _bursts(given.data, given.cache)
        for network in networks:
            learnt = network.fitted(INT8, "all").rows.crops
            stills = [(crop.picture.file, part) for crop in learnt if crop.region is None for part in FIVE_CROPS]
            network.compute([*crops(bursts), *_by_light_crops(bursts, lights), *stills])
        backbones_table(networks, bursts)
        reasons_table(networks[0], bursts)
        draws_table(networks[0], bursts, given.draws)
        lights_table(networks[0], bursts, lights)
        print("\n| backbone, split of the folds | scene | taken for a snow leopard |\n|---|---|---|")
        for network in networks:
            for split in ("location", "source"):
                held_out_table(network, split)
    speed_table(networks)


def _bursts(data: Path, kept: Path) -> tuple[list[Burst], dict[str, str]]:
    """The wild bursts, and the light of each picture as the trap classifies it."""
    rules = SimpleNamespace(manifest=SimpleNamespace(region_rule=RULE))
    bursts = wild_bursts(data, rules, kept)
    with np.load(kept / "thumbnails.npz") as arrays:
        return bursts, {name.split(" ", 1)[1]: name.split(" ", 1)[0] for name in arrays.files}


def _by_light_crops(bursts: Sequence[Burst], lights: dict[str, str]) -> Iterator[tuple[str, Region]]:
    for burst in bursts:
        if burst.kind in ("leopard", "other") and len(seen_in(burst, lights)) > 1:
            for file, region in zip(burst.files, by_light(burst, lights), strict=True):
                yield file, within(region, burst.base)


if __name__ == "__main__":
    main()
