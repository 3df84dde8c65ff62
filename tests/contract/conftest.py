"""Fixtures of the contract's tests: a complete bundle of a kilobyte whose parts a test may replace."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.model.bundle import Bundle, bundle_from_bytes, write_bundle
from uncia_contract.model.heads import LogisticHead, head_to_bytes
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import HEAD, MODEL, PROBES, Backbone, Manifest
from uncia_contract.model.probes import Probes, probes_to_bytes

MODELS = Path(__file__).parent / "models"  # made by render_models.py in it


def manifest(features: int = 2, size: tuple[int, int] = (8, 8)) -> Manifest:
    """The manifest of the tiny bundle."""
    return Manifest(
        name="tiny",
        version=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        labels=("other", "snow_leopard"),
        positive_labels=("snow_leopard",),
        input_size=size,
        backbone=Backbone("tiny", "pooled", features),
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(),
        licence="Apache-2.0",
        sha256={},
    )


def head(features: int = 2) -> LogisticHead:
    """A head of two classes; the first feature raises the second class."""
    weights = np.zeros((2, features), np.float32)
    weights[1, 0] = 4.0
    return LogisticHead(weights, np.zeros(2, np.float32), 1.0, np.zeros(2, np.float32))


def members() -> dict[str, bytes]:
    """The members of the tiny bundle; its probes hold the answers of this runtime."""
    model = (MODELS / "tiny.tflite").read_bytes()
    inputs = np.random.default_rng(3).integers(0, 256, (2, 8, 8, 3), dtype=np.uint8)
    interpreter = Interpreter(model)
    features = np.stack([interpreter.run(image, interpreter.outputs[:1])[0].reshape(-1) for image in inputs])
    probes = Probes(inputs, features, head().probabilities(features))
    return {MODEL: model, HEAD: head_to_bytes(head()), PROBES: probes_to_bytes(probes)}


@pytest.fixture(scope="session")
def tiny_members() -> dict[str, bytes]:
    """The members of a complete tiny bundle."""
    return members()


@pytest.fixture(scope="session")
def make_bundle(tiny_members: dict[str, bytes]) -> Callable[..., Bundle]:
    """Makes a tiny bundle with some members or its manifest replaced."""

    def make(swapped: dict[str, bytes] | None = None, described: Manifest | None = None) -> Bundle:
        return bundle_from_bytes(write_bundle(described or manifest(), {**tiny_members, **(swapped or {})}))

    return make
