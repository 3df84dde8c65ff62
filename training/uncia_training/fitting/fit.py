"""`uncia-train fit`: from labelled pictures and a quantized backbone to a calibrated head, and the figures it earned.

Decides the order of the steps; each step's rules live in its own module.
"""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.positive_labels import NEGATIVE
from uncia_contract.errors import DataError
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.manifest import Source
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.held_out import HeldOut
from uncia_contract.runs.labels import LabelledPicture
from uncia_contract.runs.run_folder import Run
from uncia_training.datasets.duplicates import duplicate_groups
from uncia_training.datasets.pictures import PictureFailure, read_picture, require_readable
from uncia_training.datasets.region_crops import Crop, crops_of
from uncia_training.datasets.similar_hashes import miniature
from uncia_training.datasets.splits import NOTHING_TO_LEARN
from uncia_training.features.augmentation import AUGMENTATIONS
from uncia_training.features.backbone_folder import BackboneFolder, read_backbone
from uncia_training.features.extract import Int8Network, extract_augmented
from uncia_training.fitting.fold_heads import fold_heads
from uncia_training.fitting.logistic import to_head
from uncia_training.fitting.metrics import as_dict, intervals, measure
from uncia_training.fitting.selection import Choice, Samples, assign_folds, choose, fit_all, group_names, probabilities
from uncia_training.fitting.thresholds import choose_threshold
from uncia_training.run_folder import fingerprint, newest, sources_of, surroundings, write_run

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class FitSettings:
    """What a person may choose; the strength of the penalty is not among it."""

    positive: tuple[str, ...]
    name: str = "snow-leopard"
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A run's outcome: what `run.json` says, the head, those for the gate, and the pictures that could not be used."""

    run: Run
    head: LogisticHead
    held_out: HeldOut
    failures: tuple[PictureFailure, ...]


def fit(
    pictures: Sequence[LabelledPicture],
    backbone: BackboneFolder,
    settings: FitSettings,
    sources: Sequence[Source] = (),
    progress: Progress = lambda step, done, total: None,
) -> Fitted:
    """Fits and calibrates a head on the int8 backbone's own features.

    Raises:
        DataError: a class is missing, or has too few groups to hold any out.
    """
    train = [picture for picture in pictures if not picture.never_learnt]
    _check_classes(train, settings.positive)
    rule = RegionRule()
    network, workers = Int8Network(backbone.description.backbone, backbone.model), os.cpu_count() or 1
    found = list(crops_of(train, rule, workers))
    kept, samples, failures = _samples(found, network, workers, settings, progress)
    folds = assign_folds(samples.labels, samples.groups, samples.sources, seed=settings.seed)
    _check_folds(samples.labels, folds, (NEGATIVE, *settings.positive))
    progress("choosing the penalty", 0, 0)
    trials = choose(samples, folds)
    best = trials[0]
    linear = fit_all(samples, best.c)
    head = to_head(linear, best.calibration)
    threshold = choose_threshold(kept, _held_out_probabilities(best).tolist(), (samples.labels > 0).tolist())
    run = Run(
        name=settings.name,
        created_at=newest(train),
        labels=(NEGATIVE, *settings.positive),
        positive_labels=settings.positive,
        burst_rule=BurstRule(),
        region_rule=rule,
        decision_rule=DecisionRule(threshold.value),
        metrics=_figures(samples, best),
        training=_training_facts(train, trials, settings, failures) | {"threshold": asdict(threshold)},
        surroundings=surroundings(),
        sources=sources_of(train, sources),
        logit_range=_logit_range(head, samples),
        notes=(threshold.note,) if threshold.note else (),
    )
    return Fitted(run, head, fold_heads(train, [crop.picture for crop in kept], best), tuple(failures))


def fit_to_folder(
    pictures: Sequence[LabelledPicture],
    backbone_folder: Path,
    settings: FitSettings,
    out: Path,
    sources: Sequence[Source] = (),
    progress: Progress = lambda step, done, total: None,
) -> Fitted:
    """Fits and leaves the run in `out`."""
    backbone = read_backbone(backbone_folder)
    fitted = fit(pictures, backbone, settings, sources, progress)
    train = [picture for picture in pictures if not picture.never_learnt]
    write_run(out, fitted.run, fitted.head, backbone, train, fitted.held_out)
    return fitted


def _check_classes(pictures: Sequence[LabelledPicture], positive: Sequence[str]) -> None:
    if not pictures:
        raise DataError(NOTHING_TO_LEARN)
    labels = Counter(picture.label for picture in pictures)
    for name in positive:
        if labels[name] == 0:
            raise DataError(f"no training picture is labelled {name!r}; the labels are {', '.join(sorted(labels))}")
    if not set(labels) - set(positive):
        raise DataError(f"all training pictures are labelled {', '.join(positive)}; negatives are needed as well")


def _check_folds(labels: NDArray[np.intp], folds: NDArray[np.intp], names: Sequence[str]) -> None:
    """Nothing, if every class is left to learn from whichever fold is held out."""
    held_out_in = {name: len(set(folds[labels == number].tolist())) for number, name in enumerate(names)}
    for name, count in sorted(held_out_in.items(), key=lambda item: item[1]):
        if count == 0:
            raise DataError(f"none of the training pictures of {name!r} can be read; bring them back, or leave it out")
        if count == 1:
            raise DataError(
                f"all training pictures of {name!r} are held out together (one place, sequence or group of copies, or "
                "a source without positives), so that none is left to learn from; add pictures of another"
            )


def _samples(
    found: Sequence[Crop | PictureFailure],
    network: Int8Network,
    workers: int,
    settings: FitSettings,
    progress: Progress,
) -> tuple[list[Crop], Samples, list[PictureFailure]]:
    wanted = [crop for crop in found if isinstance(crop, Crop)]
    features, used, failures = extract_augmented(wanted, network, settings.seed, workers, partial(progress, "features"))
    kept = [wanted[number] for number in used]
    failures += [failure for failure in found if isinstance(failure, PictureFailure)]
    require_readable(len(kept), failures)
    pictures = [crop.picture for crop in kept]
    hashes = [miniature(model_input(read_picture(crop.picture), network.size, crop.region)) for crop in kept]
    numbers = {name: index + 1 for index, name in enumerate(settings.positive)}
    samples = Samples(
        features=features,
        labels=np.array([numbers.get(picture.label, 0) for picture in pictures], np.intp),
        groups=group_names(pictures, duplicate_groups(hashes)),
        sources=[picture.source for picture in pictures],
        augmentation_weights=np.full(len(AUGMENTATIONS), 1 / len(AUGMENTATIONS)),
    )
    return kept, samples, failures


def _held_out_probabilities(best: Choice) -> NDArray[np.float64]:
    """Held-out probability of the positive labels together, of each crop's plain picture."""
    chances: NDArray[np.float64] = 1 - probabilities(best.logits, best.calibration)[:, 0]
    return chances


def _figures(samples: Samples, best: Choice) -> dict[str, Any]:
    """Held-out figures over all crops, and within each source that has both classes (the honest comparison)."""
    chances = _held_out_probabilities(best)
    truth = samples.labels > 0
    sources = np.asarray(samples.sources)
    mixed = [source for source in np.unique(sources) if 0 < truth[sources == source].sum() < (sources == source).sum()]
    parts = {"all": np.ones(len(truth), bool)} | {f"within {name}": sources == name for name in mixed}
    groups = np.asarray(samples.groups)
    return {
        name: as_dict(
            measure(truth[part].tolist(), chances[part].tolist()),
            intervals(truth[part].tolist(), chances[part].tolist(), groups[part].tolist()),
        )
        for name, part in parts.items()
    }


def _training_facts(
    train: Sequence[LabelledPicture],
    trials: Sequence[Choice],
    settings: FitSettings,
    failures: Sequence[PictureFailure],
) -> dict[str, Any]:
    return {
        "fingerprint": fingerprint(train),
        "pictures": dict(sorted(Counter(picture.label for picture in train).items())),
        "seed": settings.seed,
        "penalty": {"c": trials[0].c, "tried": {str(trial.c): [trial.loss, trial.error] for trial in trials}},
        "failures": [msgspec.to_builtins(failure) for failure in failures],
    }


def _logit_range(head: LogisticHead, samples: Samples) -> tuple[float, float]:
    weights, bias = head.folded()
    flat = samples.features.reshape(-1, samples.features.shape[2])
    logits = flat @ weights.T + bias
    return float(logits.min()), float(logits.max())
