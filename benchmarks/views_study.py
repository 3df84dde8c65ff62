"""Views that a head learns from, compared by held-out pictures in other forms (decision 0021).

    python benchmarks/views_study.py --data ../shared/data [--draws 5]

Heads are fitted by the trainer's code on labels.csv without splits `test` and `tune`, in four folds; a source without
positives, and copies, stay in one fold. Held-out pictures are scored in several forms: as they are, and changed by
draws from which nothing is learnt. The negatives of a form are the portraits of other cats in this form, and all
camera-trap pictures, whole and as parts. For each set of views and each penalty it prints, as means over the forms:
average precision and recall at 1 % false positives, with their spread over the draws of the views; and the false alarms
at 0.5 among camera-trap pictures, lowest to highest draw. The recall of each form follows.

All views have equal weight. Features are cached. A first run with three draws takes six minutes on two cores.
"""

import argparse
import hashlib
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter
from threadpoolctl import threadpool_limits

from uncia_contract.pictures.light import light_of
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.features.augmentation import (
    AUGMENTATIONS,
    LUMA,
    augmented,
    by_flash,
    by_infrared,
    greyed,
    mirrored,
    part,
    pasted,
)
from uncia_training.features.networks import INT8
from uncia_training.fitting.resampling import AT_1_PERCENT, ranked
from uncia_training.fitting.selection import Samples, assign_folds, choose, probabilities
from uncia_training.parallel import parallel_map
from wild_features import WORKERS, Network
from wild_held_out import PORTRAITS

STARTER = Path(__file__).parents[1] / "models" / "snow-leopard-starter-2.uncia"
FOLDS = 4
ASKED = 1000  # the draw of the forms; draws of the views are 0, 1, ...
Image8 = np.ndarray

UNCHANGED = ("plain", "mirror")  # the same in each draw
FLASHES = ("part_by_flash", "part_by_infrared")
SCENES = tuple(name for name in AUGMENTATIONS if name.startswith("scene"))
MANY = ("part", "light", "flash", "infrared", *FLASHES)
RECIPES = (  # name, views besides plain and mirror, inverse strengths of the penalty
    ("nothing", (), (0.01,)),
    ("old infrared (release 0.1)", ("old_infrared", "old_infrared_mirror"), (0.001, 0.01)),
    ("part, light, flash, infrared, both of a part, one scene", (*MANY, *SCENES[:1]), (0.01,)),
    ("... and three scenes", (*MANY, *SCENES[:3]), (0.01,)),
    ("part, flash, infrared, one scene", ("part", "flash", "infrared", *SCENES[:1]), (0.01,)),
    ("two scenes", SCENES[:2], (0.01,)),
    ("four scenes, part by flash, part by infrared", (*SCENES[:4], *FLASHES), (0.01,)),
    ("six scenes, part by flash, part by infrared", (*SCENES, *FLASHES), (0.003, 0.01, 0.1)),
)
FORMS = ("plain", "part", "light", "old_infrared", "infrared", "flash", *FLASHES, "camera_scene")


def old_infrared(image: Image8, chance: np.random.Generator) -> Image8:
    """The infrared view of release 0.1: grey, dim, flat, soft and noisy."""
    height, width = image.shape[:2]
    grey, side = Image.fromarray((image @ LUMA).astype(np.uint8)), int(chance.integers(60, 225))
    soft = grey.resize((side, side), Image.Resampling.BILINEAR).filter(ImageFilter.GaussianBlur(chance.uniform(0, 0.7)))
    light = np.asarray(soft.resize((width, height), Image.Resampling.BILINEAR), np.float32)
    flat = light.mean() + (light - light.mean()) * chance.uniform(0.5, 1.0)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    lit = flat * chance.uniform(0.25, 1.0) * (1 - chance.uniform(0.0, 0.5) * (rows**2 + columns**2) / 2)
    noisy = lit + chance.normal(0, chance.uniform(0, 6), lit.shape)
    return np.repeat(np.clip(noisy, 0, 255).astype(np.uint8)[..., np.newaxis], 3, axis=2)


def light(image: Image8, chance: np.random.Generator) -> Image8:
    """Other saturation, brightness, contrast and tint."""
    grey = (image @ LUMA / 255)[..., np.newaxis]
    lit = np.clip(grey + (image / 255 - grey) * chance.uniform(0.3, 1.3), 0, 1) ** np.exp(chance.uniform(-0.5, 0.5))
    lit = lit.mean() + (lit - lit.mean()) * chance.uniform(0.6, 1.3)
    lit *= chance.uniform(0.85, 1.3) * (1 + chance.uniform(-0.06, 0.06, 3))
    return np.clip(255 * lit, 0, 255).astype(np.uint8)


CHANGES = {"part": part, "light": light, "old_infrared": old_infrared, "infrared": by_infrared, "flash": by_flash}


class Study:
    """The training crops of labels.csv, their folds, and the features of their views and forms."""

    def __init__(self, bundle: Path, data: Path, cache: Path) -> None:
        network = Network(bundle, data, cache)
        rows = network.fitted(INT8, "plain", "source").rows
        self.labels, self.units = rows.labels, rows.units.tolist()
        self.folds = assign_folds(self.labels, self.units, FOLDS)
        self.traps = np.array([crop.picture.source != PORTRAITS for crop in rows.crops])
        self._extractor, self._cache = network.extractors[INT8], cache / "views-study"
        self._cache.mkdir(exist_ok=True)
        files = [crop.picture.path.read_bytes() for crop in rows.crops]
        self._seeds = [int.from_bytes(hashlib.sha256(file).digest()[:4], "big") for file in files]  # as in the trainer
        self._images = [
            model_input(file, self._extractor.size, crop.region) for file, crop in zip(files, rows.crops, strict=True)
        ]

    def features(self, name: str, draw: int) -> np.ndarray:
        """The features of all crops in this view or form, float32 (crops, features)."""
        draw = 0 if name in UNCHANGED else draw
        kept = self._cache / f"{self._extractor.name}-{name}-{draw}.npy"
        if not kept.exists():
            numbers = range(len(self._images))
            found = parallel_map(lambda n: self._extractor(self._changed(n, name, draw))["pooled"], numbers, WORKERS)
            np.save(kept, np.stack(list(found)))
        return np.load(kept)

    def _changed(self, number: int, name: str, draw: int) -> Image8:
        image, seed = self._images[number], self._seeds[number] + draw
        if name in AUGMENTATIONS:
            return augmented(image, [name], seed)[0]
        change = name.removesuffix("_mirror")
        chance = np.random.default_rng((seed, *change.encode()))
        if change == "camera_scene":
            return self._in_camera_scene(number, chance)
        changed = CHANGES[change](image, chance)
        return mirrored(changed) if change != name else changed

    def _in_camera_scene(self, number: int, chance: np.random.Generator) -> Image8:
        """The crop in a camera-trap picture of the same fold, so that no fit has learnt from that picture."""
        scene = self._images[chance.choice(np.flatnonzero(self.traps & (self.folds == self.folds[number])))]
        image = greyed(self._images[number]) if light_of(scene) == "infrared" else self._images[number]
        return np.clip(pasted(image, scene.astype(np.float32), chance), 0, 255).astype(np.uint8)

    def figures(self, views: Sequence[str], c: float, draw: int) -> tuple[np.ndarray, int]:
        """Average precision and recall at 1 % false positives of each form, (forms, 2); the false alarms of traps."""
        features = np.stack([self.features(name, draw) for name in (*UNCHANGED, *views)], axis=1)
        weights = np.full(features.shape[1], 1 / features.shape[1])
        best = choose(Samples(features, self.labels, self.units, weights), self.folds, (c,), workers=WORKERS)[0]

        def scores(form: str) -> np.ndarray:
            logits, asked = np.zeros((len(self.labels), 2)), self.features(form, ASKED)
            for fold, model in enumerate(best.models):
                logits[best.folds == fold] = model.logits(asked[best.folds == fold])
            return probabilities(logits, best.calibration)[:, 1]

        portraits, truth, by_form = ~self.traps, self.labels > 0, {form: scores(form) for form in FORMS}
        of_traps = np.concatenate([by_form["plain"][self.traps], by_form["part"][self.traps]])
        asked = np.concatenate([truth[portraits], np.zeros(len(of_traps), bool)])
        found = []
        for own in by_form.values():
            ranks = ranked(asked, np.concatenate([own[portraits], of_traps]), np.ones((1, len(asked))))
            found.append([ranks["average_precision"][0], ranks[AT_1_PERCENT][0]])
        return np.array(found), int((by_form["plain"][self.traps] >= 0.5).sum())


def main() -> None:
    """Measure every set of views and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=STARTER, help="the bundle whose network is used")
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "uncia-wild")
    parser.add_argument("--draws", type=int, default=5, help="draws of the views")
    arguments = parser.parse_args()
    study = Study(arguments.bundle, arguments.data, arguments.cache)
    print(f"| learnt from, besides plain and mirrored | C | average precision | recall | of {study.traps.sum()} |")
    print("|---" * 5 + "|")
    for name, views, strengths in RECIPES:
        for c in strengths:
            with threadpool_limits(1):
                drawn = [study.figures(views, c, draw) for draw in range(arguments.draws if views else 1)]
            found, alarms = np.stack([one for one, _ in drawn]), [count for _, count in drawn]
            means, spread = found.mean(axis=(0, 1)), found.mean(axis=1).std(axis=0)
            cells = [f"{mean:.3f} ± {deviation:.3f}" for mean, deviation in zip(means, spread, strict=True)]
            print(f"| {name} | {c} | {' | '.join(cells)} | {min(alarms)} to {max(alarms)} |")
            recalls = zip(FORMS, found.mean(axis=0)[:, 1], strict=True)
            print("  " + ", ".join(f"{form} {recall:.2f}" for form, recall in recalls), flush=True)


if __name__ == "__main__":
    main()
