"""The manifest of a bundle: `manifest.json` (DESIGN 4), as frozen structs.

Decides its fields and their bounds; `bundle` reads and writes the file around it. Facts about a model come from the
manifest, never from a configuration.
"""

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType, field

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.bursts.second_look import SecondLook
from uncia_contract.errors import UNDECODABLE, BundleError
from uncia_contract.json_text import indented_json

MODEL, HEAD, PROBES, EDGETPU = "model.tflite", "head.npz", "probes.npz", "model_edgetpu.tflite"
# The largest differences allowed between a probe's probabilities and features and the expected ones, for each runtime
# (docs/decisions/0004-quantization.md). `uncia_contract.model.probes` measures them.
TOLERANCE = {"ai_edge_litert": 0.03, "tflite_runtime": 0.03}
FEATURE_TOLERANCE = {"ai_edge_litert": 0.2, "tflite_runtime": 0.2}
# A bundle with a rule that readers of schema 1 do not know has schema 2. Readers of schema 1 ignore unknown fields and
# would decide without that rule; they refuse schema 2 with one line.
SCHEMA_1, SCHEMA_2 = "uncia.bundle/1", "uncia.bundle/2"
MEMBERS = (MODEL, HEAD, PROBES, EDGETPU)


class Source(Struct, frozen=True):
    """A data set or weights from which the bundle was made: name, licence, attribution, doubts about the licence."""

    name: str
    licence: str
    pictures: int = 0
    attribution: str = ""
    doubts: str = ""


class Backbone(Struct, frozen=True):
    """The network that gives the features: its name, the layer, where it was cut, the number of features."""

    name: str
    layer: Literal["pooled", "map"]
    features: Annotated[int, Meta(ge=1)]
    cut: str | None = None
    weights_sha256: str = ""


class Manifest(Struct, frozen=True):
    """Everything that a trap, a ranger and an auditor need to know about a bundle.

    `input_size` is (width, height) in pixels. `metrics` and `parity` are reports for people. `tolerance` is, for each
    runtime, the largest difference of a probe's probability from the expected one; with a larger one the trap refuses
    the bundle. `feature_tolerance` is the same for the features. `second_look` (here `looks_again`) and `graph_head`
    are in `uncia.bundle/2` only. `graph_head` is "stale" if the head inside the graph and the probes' probabilities
    are those of an earlier head of the same network.
    """

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{0,62}$")]
    version: Annotated[int, Meta(ge=1)]
    created_at: Annotated[datetime, Meta(tz=True)]
    labels: Annotated[tuple[str, ...], Meta(min_length=2)]
    positive_labels: Annotated[tuple[str, ...], Meta(min_length=1)]
    input_size: tuple[Annotated[int, Meta(ge=8, le=4096)], Annotated[int, Meta(ge=8, le=4096)]]
    backbone: Backbone
    burst_rule: BurstRule
    region_rule: RegionRule
    decision_rule: DecisionRule
    licence: str
    sha256: dict[str, str]
    calibration_prior: Annotated[float, Meta(gt=0, lt=1)] = 0.5
    regions: bool = True
    tolerance: dict[str, float] = field(default_factory=lambda: dict(TOLERANCE))
    feature_tolerance: dict[str, float] = field(default_factory=lambda: dict(FEATURE_TOLERANCE))
    metrics: dict[str, Any] = {}
    parity: dict[str, Any] = {}
    training: dict[str, Any] = {}
    sources: tuple[Source, ...] = ()
    notes: tuple[str, ...] = ()
    looks_again: SecondLook | UnsetType = field(default=UNSET, name="second_look")
    graph_head: Literal["stale"] | UnsetType = UNSET
    schema: Literal["uncia.bundle/1", "uncia.bundle/2"] = "uncia.bundle/1"

    @property
    def second_look(self) -> SecondLook | None:
        """The rule of the second look; None where each frame is scored once."""
        return self.looks_again or None

    def tolerated(self, runtime: str) -> tuple[float, float]:
        """The allowed differences of probability and features for a runtime; for an unknown one the smallest."""
        return (
            self.tolerance.get(runtime, min(self.tolerance.values(), default=0.0)),
            self.feature_tolerance.get(runtime, min(self.feature_tolerance.values(), default=0.0)),
        )

    @property
    def positive_columns(self) -> list[int]:
        """The columns of the probabilities that belong to positive labels."""
        return [index for index, label in enumerate(self.labels) if label in self.positive_labels]


def manifest_to_bytes(manifest: Manifest) -> bytes:
    """The manifest as indented JSON with sorted keys. A signature covers exactly these bytes."""
    return indented_json(manifest, order="sorted")


def manifest_from_bytes(data: bytes) -> Manifest:
    """The manifest in these bytes.

    Raises:
        BundleError: not JSON, a missing field, a value out of bounds, or fields that contradict each other.
    """
    try:
        manifest = msgspec.json.decode(data, type=Manifest)
    except UNDECODABLE as error:
        raise BundleError(f"manifest.json: {error}") from error
    unknown = set(manifest.positive_labels) - set(manifest.labels)
    if unknown or len(set(manifest.labels)) != len(manifest.labels):
        raise BundleError(
            f"manifest.json: labels {list(manifest.labels)} and positive labels {list(manifest.positive_labels)}: "
            "expected distinct labels, the positive ones among them"
        )
    for name, given in (("second_look", manifest.second_look), ("graph_head", manifest.graph_head)):
        if given and manifest.schema != SCHEMA_2:
            raise BundleError(f"manifest.json: {name} in schema {manifest.schema}; expected it in {SCHEMA_2} only")
    if manifest.second_look and not (manifest.regions and manifest.backbone.layer == "pooled"):
        raise BundleError("manifest.json: second_look; expected regions and pooled features with it")
    return manifest
