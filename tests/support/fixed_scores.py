"""A classifier without a model that returns given scores."""

from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.model.manifest import Backbone, Manifest


def make_manifest(threshold: float = 0.5, positive: tuple[str, ...] = ("snow_leopard",)) -> Manifest:
    """The manifest of a tiny model with the default rules."""
    return Manifest(
        name="told",
        version=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        labels=("other", *positive),
        positive_labels=positive,
        input_size=(32, 32),
        backbone=Backbone("told", "pooled", 2),
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(threshold=threshold),
        licence="Apache-2.0",
        sha256={},
    )


class Told:
    """Returns the given scores one after another, and then always the last one."""

    def __init__(self, *scores: float, threshold: float = 0.5) -> None:
        self.manifest = make_manifest(threshold)
        self.scores: Sequence[float] = scores or (0.9,)
        self.asked = 0

    def score(self, image: NDArray[np.uint8]) -> float:
        """The next score."""
        self.asked += 1
        return self.scores[min(self.asked, len(self.scores)) - 1]
