"""The gain of the trap's background for bursts of one frame: cats composited into real backgrounds (`regions_study`).

Each of `--bursts` single frames (two of three with a cat) is scored by the starter bundle, whole and in its region,
after `--before` bursts of one frame of the same background, half of which show a cat at another place.

    python benchmarks/single_frames.py --data ../shared/data [--visited 0.5]
"""

import argparse
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

import regions_study as study
from uncia_contract.bursts.backgrounds import Background
from uncia_contract.bursts.regions import RegionChoice, RegionRule, regions, thumbnail
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input

STARTER = Path(__file__).parent.parent / "models" / "snow-leopard-starter-2.uncia"
Box = tuple[int, int, int, int] | None


class Camera:
    """Takes single frames of one background."""

    def __init__(self, ground: list[np.ndarray], furs: Sequence[Path], weather: str, rng: np.random.Generator) -> None:
        self._ground, self._furs, self._weather, self._rng = ground, furs, weather, rng

    def take(self, with_cat: bool) -> tuple[Image.Image, Box]:
        """A frame as a camera stores it, and the box of its cat."""
        frame = self._ground[self._rng.integers(len(self._ground))].copy()
        if self._weather in study.SWAY:
            study.grass([frame], self._rng, study.SWAY[self._weather])
        box = self._with_cat(frame) if with_cat else None
        if self._weather == "snow":
            study.snow([frame], self._rng)
        return study.developed([frame], self._rng)[0], box

    def _with_cat(self, frame: np.ndarray) -> Box:
        fur = np.asarray(Image.open(self._furs[self._rng.integers(len(self._furs))]).convert("L"))[40:184, 40:184]
        return study.walked([frame], fur, study.a_walk(frame.shape, self._rng, float(frame.mean())), self._rng)[0]


def told(choice: RegionChoice, box: Box, size: tuple[int, int]) -> str:
    """The scores of a frame as text."""
    if choice.region is None:
        return choice.reason
    if box is None:
        return "region"
    held, _ = study.coverage(choice, box, size)
    return "hit" if held >= 0.7 else "astray" if held < 0.3 else "part"


def roc_auc(cats: list[float], empties: list[float]) -> float:
    """ROC AUC: the share of pairs in which the cat scores higher than the empty frame."""
    return float(np.mean([(cat > empty) + 0.5 * (cat == empty) for cat in cats for empty in empties]))


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bursts", type=int, default=180)
    parser.add_argument("--before", type=int, default=5)
    parser.add_argument("--visited", type=float, default=0.5, help="share of the earlier bursts that show a cat")
    parser.add_argument("--seed", type=int, default=5)
    arguments = parser.parse_args()
    rng, rule = np.random.default_rng(arguments.seed), RegionRule()
    grounds = study.grounds_of(arguments.data)
    furs = sorted((arguments.data / "stills/kaggle10/snow_leopard").glob("*.jpg"))
    classifier = Classifier(read_bundle(STARTER))
    became: dict[bool, list[str]] = {True: [], False: []}
    scores: dict[tuple[bool, str], list[float]] = {}
    for n in range(arguments.bursts):
        camera = Camera(
            grounds[n % len(grounds)][1], furs, str(rng.choice(["calm", "calm", "grass", "gale", "snow"])), rng
        )
        known = Background()
        for _ in range(arguments.before):
            known = known.updated([thumbnail(camera.take(rng.random() < arguments.visited)[0], rule)], "infrared")
        image, box = camera.take(n % 3 != 0)
        if n % 3 and box is None:
            continue
        grey = thumbnail(image, rule)
        [choice] = regions([grey], rule, known.seen(grey.shape, "infrared"))
        became[box is not None].append(told(choice, box, image.size))
        for way, region in (("whole", None), ("region", choice.region)):
            seen = model_input(image.convert("RGB"), classifier.manifest.input_size, region)
            scores.setdefault((box is not None, way), []).append(classifier.score(seen))
    for cat, what in became.items():
        print("with a cat" if cat else "empty     ", dict(Counter(what).most_common()))
    for way in ("whole", "region"):
        cats, empties = scores[True, way], scores[False, way]
        print(
            f"{way:6s}  cats {np.mean(cats):.3f}  empties {np.mean(empties):.3f}  ROC AUC {roc_auc(cats, empties):.3f}"
        )


if __name__ == "__main__":
    main()
