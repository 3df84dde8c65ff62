"""Scores held-out pictures with a bundle, as the trap does.

A head is packed into a bundle, read back, and run by `score_burst`. Decides how the comparison's bundles are made: the
integer backbone, the head fitted on the fold's training side, and the rules of the contract. Their graph has no integer
copy of the head, because the trap does not read it.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from functools import partial

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frame_scores import NotedScore
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.positive_labels import NEGATIVE
from uncia_contract.model.bundle import Bundle, bundle_from_bytes, write_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import LogisticHead, head_to_bytes, positive_probability
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import HEAD, MODEL, PROBES, Backbone, Manifest
from uncia_contract.model.probes import Probes, probes_to_bytes
from uncia_contract.runs.labels import LabelledPicture
from uncia_contract.scoring.score_burst import ExpectedView, score_burst
from uncia_training.datasets.pictures import boxes_of, read_picture
from uncia_training.datasets.place_views import PlaceViews
from uncia_training.features.backbone_folder import BackboneFolder

Burst = Sequence[LabelledPicture]


def pack(head: LogisticHead, backbone: BackboneFolder, positive: Sequence[str], regions: bool) -> Bundle:
    """A bundle with this head, written and read back; `regions` as in the manifest."""
    about = backbone.description
    manifest = Manifest(
        name="held-out",
        version=1,
        created_at=datetime(1970, 1, 1, tzinfo=UTC),
        labels=(NEGATIVE, *positive),
        positive_labels=tuple(positive),
        input_size=about.input_size,
        backbone=Backbone(about.backbone, about.layer, about.features, about.cut, about.weights_sha256),
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(),
        licence="never leaves the comparison",
        sha256={},
        regions=regions,
    )
    members = {MODEL: backbone.model, HEAD: head_to_bytes(head), PROBES: _probe(backbone, head)}
    return bundle_from_bytes(write_bundle(manifest, members))


def _probe(backbone: BackboneFolder, head: LogisticHead) -> bytes:
    """One grey probe: enough for a bundle that is only used on the machine that made it."""
    interpreter = Interpreter(backbone.model)
    grey = np.full((1, interpreter.size[1], interpreter.size[0], 3), 127, np.uint8)
    features = interpreter.run(grey[0], interpreter.outputs[:1])[0].reshape(1, -1)
    return probes_to_bytes(Probes(grey, features, head.probabilities(features)))


class _AllClasses(Classifier):
    """The trap's classifier; each score also has the probabilities of all classes as its note."""

    def score(self, image: NDArray[np.uint8]) -> NotedScore:
        row = self.probabilities(image)
        return NotedScore(positive_probability(row, self.manifest.positive_columns), row)


def score_bursts(bundle: Bundle, bursts: Sequence[Burst], views: PlaceViews | None = None) -> list[NDArray[np.float64]]:
    """For each burst its frames' probabilities, float64 (frames, classes); NaN in the row of an unreadable frame.

    Args:
        bundle: the bundle.
        bursts: whole sequences.
        views: the views of their places, for sequences of one or two pictures; None to score these as a whole.
    """
    classifier = _AllClasses(bundle)
    return [
        _score(classifier, burst, views.of(burst) if views and bundle.manifest.regions else None) for burst in bursts
    ]


def _score(classifier: _AllClasses, burst: Burst, view: ExpectedView | None) -> NDArray[np.float64]:
    rows = np.full((len(burst), len(classifier.manifest.labels)), np.nan)
    readers = [partial(read_picture, picture) for picture in burst]
    boxes = boxes_of(burst)
    verdict = score_burst(readers, classifier, background=view, every_frame=True, workers=1, boxes=boxes)
    for index, frame in enumerate(verdict.frames if verdict else ()):
        if isinstance(frame.score, NotedScore):
            rows[index] = frame.score.note
    return rows
