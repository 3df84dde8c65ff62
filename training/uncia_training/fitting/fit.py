"""`uncia-train fit`: fits a head on labelled pictures with a quantized backbone, and writes the run for a bundle.

Decides the order of the steps, and the content of a run, also for other commands. The figures in a run are
cross-validated: they are of other heads, each fitted without the pictures that it scored. `compare` writes the same
head for the system `uncia`.
"""

import os
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from threadpoolctl import threadpool_limits

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.errors import DataError
from uncia_contract.model.manifest import Source
from uncia_contract.runs.held_out import NO_FOLD, HeldOut
from uncia_contract.runs.labels import LabelledPicture, sequences, shows
from uncia_contract.runs.run_folder import Run
from uncia_training.datasets.trap_days import trap_days
from uncia_training.features.backbone_folder import BackboneFolder, read_backbone
from uncia_training.features.feature_network import network_of_backbone
from uncia_training.features.networks import INT8
from uncia_training.fitting.head_fit import TRAPS_FIT, FitKey, HeadFit, Rows, fit_head
from uncia_training.fitting.learning_set import LearningSet, LearningSettings, Progress, prepare
from uncia_training.fitting.logistic import to_head
from uncia_training.fitting.metrics import figures
from uncia_training.fitting.resampling import Dealt
from uncia_training.fitting.selection import Choice, probabilities
from uncia_training.fitting.thresholds import TARGET_RECALL, Aim
from uncia_training.run_folder import fingerprint, newest, sources_of, surroundings, write_run

MOST_LETTERS = 63
FIGURES_OF = "cross-validated: of heads that did not learn from what they score, not of the one that learnt from all"


@dataclass(frozen=True)
class About:
    """The facts about a head for its run: name, figures, facts of the training, notes, known sources."""

    name: str
    metrics: dict[str, Any]
    training: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    sources: Sequence[Source] = ()


def learnt_rows(learning: LearningSet, key: FitKey) -> Rows:
    """The rows of a fit that are used for training."""
    rows = learning.rows[key]
    return rows.of(~learning.unseen[rows.picture] & rows.learnt)


def leave_run(
    out: Path, learning: LearningSet, key: FitKey, fitted: HeadFit, backbone: BackboneFolder, about: About
) -> Run:
    """Write the run of a head into the folder `out`, and return it.

    Args:
        out: the folder to write.
        learning: the learning set.
        key: the fit's kind of rows.
        fitted: the head with its trials.
        backbone: the backbone of the features.
        about: name, figures, notes and sources.

    Raises:
        StorageError: the folder cannot be written.
    """
    pictures, settings, threshold = learning.learnt_pictures, learning.settings, fitted.thresholds[0]
    run = Run(
        name=about.name,
        created_at=newest(pictures),
        labels=settings.classes,
        positive_labels=settings.positive,
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(threshold.value),
        metrics=about.metrics,
        training=_training_facts(learning, fitted) | about.training,
        surroundings=surroundings(),
        sources=sources_of(pictures, about.sources),
        logit_range=fitted.logit_range,
        regions=key.regions,
        calibration_prior=settings.positive_share,
        notes=tuple(note for note in (threshold.note, *about.notes) if note),
    )
    fitted_on = [crop.picture for crop in learnt_rows(learning, key).crops]
    write_run(out, run, fitted.head, backbone, pictures, fold_heads(pictures, fitted_on, fitted.trials[0]))
    return run


def _training_facts(learning: LearningSet, fitted: HeadFit) -> dict[str, Any]:
    pictures, best = learning.learnt_pictures, fitted.trials[0]
    contents = dict(zip((one.file for one in learning.inspection.pictures), learning.inspection.contents, strict=True))
    return {
        "fingerprint": fingerprint(pictures, contents),
        "pictures": dict(sorted(Counter(picture.label for picture in pictures).items())),
        "seed": learning.settings.seed,
        "split": learning.settings.split,
        "figures": FIGURES_OF,
        "penalty": {"c": best.c, "tried": {str(one.c): [one.loss, one.error] for one in fitted.trials}},
        "threshold": msgspec.to_builtins(fitted.thresholds[0]),
        "failures": msgspec.to_builtins(learning.failures),
    }


def fold_heads(pictures: Sequence[LabelledPicture], fitted_on: Sequence[LabelledPicture], choice: Choice) -> HeldOut:
    """The held-out heads for the converter: the fold of each picture, and the head fitted without that fold.

    Folds, fits and calibration are those of the chosen penalty (docs/decisions/0004-quantization.md).

    Args:
        pictures: the run's pictures, in their order.
        fitted_on: the picture of each crop that was used for training.
        choice: the chosen penalty, with the folds of those crops.
    """
    fold_of = {picture.file: int(fold) for picture, fold in zip(fitted_on, choice.folds, strict=True)}
    folds = np.array([fold_of.get(picture.file, NO_FOLD) for picture in pictures], np.intp)
    return HeldOut(folds, [to_head(model, choice.calibration) for model in choice.models])


def bundle_name(positive: Sequence[str], *more: str) -> str:
    """A bundle's name from labels, such as `snow-leopard-rn3-a-e`: small letters, digits and hyphens.

    Raises:
        DataError: the labels have no letters or digits.
    """
    name = re.sub(r"[^a-z0-9]+", "-", "-".join((*positive, *more)).lower()).strip("-")[:MOST_LETTERS].strip("-")
    if not name:
        raise DataError(f"no name for a bundle can be made of {', '.join(positive)}; use letters or digits")
    return name


@dataclass(frozen=True, kw_only=True)
class FitSettings(LearningSettings):
    """The settings of a fit; the strength of the penalty is chosen automatically.

    `name` is the bundle's name; None makes one from the labels. The threshold is chosen for `target_recall` of
    sequences, or, if `false_alarms_per_day` is given, for at most so many false alarms of a trap a day.
    """

    name: str | None = None
    target_recall: float = TARGET_RECALL
    false_alarms_per_day: float | None = None

    def aim(self, pictures: Sequence[LabelledPicture]) -> Aim:
        """The aim of the threshold, for these pictures.

        Raises:
            DataError: false alarms are limited, but the days are not known or there are no negative sequences.
        """
        if self.false_alarms_per_day is None:
            return Aim(self.target_recall)
        days, negatives = trap_days(pictures), sum(not shows(burst, self.positive) for burst in sequences(pictures))
        if days is None or not negatives:
            raise DataError(
                "false alarms a day cannot be bounded: a picture names no location, a location has no times, or there "
                "are no negative sequences; give --target-recall"
            )
        return Aim(false_alarm_rate=self.false_alarms_per_day * days / negatives)


def fit_to_folder(
    pictures: Sequence[LabelledPicture],
    backbone_folder: Path,
    settings: FitSettings,
    out: Path,
    sources: Sequence[Source] = (),
    progress: Progress = lambda step, done, total: None,
) -> tuple[Run, LearningSet]:
    """Fit and calibrate a head on the int8 backbone's features, write the run into `out`, and return it.

    Args:
        pictures: the labelled pictures.
        backbone_folder: the folder of the quantized backbone.
        settings: the settings.
        out: the folder to write.
        sources: known sources with licences.
        progress: called with the name of a step, the number of its parts done, and the number of all.

    Raises:
        DataError: a class is missing, or has too few units to hold some out.
    """
    backbone, aim = read_backbone(backbone_folder), settings.aim([one for one in pictures if not one.never_learnt])
    name = settings.name or bundle_name(settings.positive)
    network = network_of_backbone(backbone_folder, "int8", "pooled").extractor()
    learning = prepare(pictures, settings, {INT8: network}, [TRAPS_FIT], progress, scoring=False)
    learning.folds(learning.units)  # raises DataError if a class is only one unit
    train = learnt_rows(learning, TRAPS_FIT)
    progress("choosing the penalty", 0, 0)
    with threadpool_limits(1):
        fitted = fit_head(train, replace(settings.recipe, workers=os.cpu_count() or 1, aim=aim))
    asked = {"target_recall": settings.target_recall, "false_alarms_per_day": settings.false_alarms_per_day}
    about = About(name, held_out_figures(train, fitted), {"threshold_aim": asked}, sources=sources)
    return leave_run(out, learning, TRAPS_FIT, fitted, backbone, about), learning


def held_out_figures(train: Rows, fitted: HeadFit) -> dict[str, Any]:
    """The held-out figures over all crops, and within each source that has both classes, by name."""
    best, threshold = fitted.trials[0], fitted.thresholds[0].value
    chances = 1 - probabilities(best.logits, best.calibration)[:, 0]
    truth, units = train.labels > 0, np.unique(train.units, return_inverse=True)[1]
    sources = np.array([crop.picture.source for crop in train.crops])
    mixed = [source for source in np.unique(sources) if len(set(truth[sources == source].tolist())) == 2]
    parts = {"all": np.ones(len(truth), bool)} | {f"within {name}": sources == name for name in mixed}
    return {
        name: figures(Dealt(truth, chances[np.newaxis], units).part(part), threshold).as_dict()
        for name, part in parts.items()
    }
