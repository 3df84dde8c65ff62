"""`uncia-convert bundle`: makes a bundle, the file that a trap accepts, from a training run (DESIGN 4).

Decides the content of a bundle and the order of the checks: the head is added to the graph, the models are compared
(this cannot be skipped), probes are made, and the finished file is read and its probes checked by the trap's own
classifier before it is written.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.second_look import SecondLook
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.errors import UNDECODABLE, DataError, StorageError
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.json_text import indented_json
from uncia_contract.model.bundle import bundle_from_bytes, read_bundle, write_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import LogisticHead, head_from_bytes
from uncia_contract.model.manifest import (
    EDGETPU,
    HEAD,
    MODEL,
    PROBES,
    SCHEMA_2,
    Backbone,
    Manifest,
    manifest_from_bytes,
    manifest_to_bytes,
)
from uncia_contract.model.probes import probes_to_bytes
from uncia_contract.runs.held_out import held_out_from_bytes
from uncia_contract.runs.run_folder import (
    RUN_BACKBONE,
    RUN_FLOAT,
    RUN_HEAD,
    RUN_HELD_OUT,
    RUN_MODEL,
    RUN_PICTURES,
    Run,
    read_run,
)
from uncia_converter.edgetpu_compiler import compile_for_edgetpu
from uncia_converter.graph import attach_head, has_map
from uncia_converter.kept_network import kept_members, with_kept_network
from uncia_converter.parity import ParityReport, measure_parity, require_parity
from uncia_converter.parity_models import ModelPair
from uncia_converter.probes import make_probes

PARITY = "parity.json"
COMPARING, DRAWING = "comparing with the float model, sequences", "drawing probes, tries"
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BundleRequest:
    """Which run to make into a bundle, and how.

    Attributes:
        run: the run's folder.
        out: the file to write.
        version: the bundle's version.
        licence: the bundle's licence.
        created_at: the bundle's time; None for the run's.
        edgetpu: whether to add a model for the Edge TPU.
        threshold: replaces the run's threshold; None keeps it.
        threshold_reason: why the threshold was replaced, for the notes.
        second_look: True requires a second look, False leaves it out, None includes it if the run has regions and its
            backbone pools a map.
        network_of: a bundle whose network is kept, so that only the head is new; None for a whole new bundle.
    """

    run: Path
    out: Path
    version: int = 1
    licence: str = "not stated; see sources"
    created_at: datetime | None = None
    edgetpu: bool = False
    threshold: float | None = None
    threshold_reason: str = ""
    second_look: bool | None = None
    network_of: Path | None = None

    def looks_again(self, run: Run, backbone: bytes) -> bool:
        """Whether the bundle has a second look.

        Raises:
            DataError: it is required, but the run or its backbone does not allow it.
        """
        possible = run.regions and has_map(backbone)
        if self.second_look and not possible:
            raise DataError(
                f"{self.run}: --second-look needs regions and a backbone that pools a map (--layer pooled); "
                "leave it out, or train again"
            )
        return possible and self.second_look is not False

    def decided(self, run: Run) -> DecisionRule:
        """The decision rule: the run's, or one with the given threshold."""
        return run.decision_rule if self.threshold is None else DecisionRule(self.threshold)

    def notes(self, run: Run) -> tuple[str, ...]:
        """The run's notes, and the reason if the threshold was replaced."""
        if self.threshold is None:
            return run.notes
        reason = self.threshold_reason or "no reason stated (--threshold-reason)"
        return (*run.notes, f"Threshold {self.threshold:g} in place of {run.decision_rule.threshold:g}: {reason}")


def make_bundle(
    request: BundleRequest,
    progress: Progress = lambda step, done, total: None,
    say: Callable[[str], None] = lambda line: None,
) -> Manifest:
    """Make the bundle `request.out` and return its manifest. The parity report is also written into the run's folder.

    Args:
        request: the run, the file and the options.
        progress: called with the name of a step, the number of its parts done, and the number of all.
        say: called with a line for each verdict that differs in integers.

    Raises:
        DataError: no finished run, or one with missing or damaged parts.
        BundleError: the parts do not fit together, or the packed model gives other answers.
        ParityError: the integer model decides worse than the float model.
        CompilerMissingError: a model for the Edge TPU is requested, but its compiler is not installed.
        StorageError: the file cannot be written.
    """
    if request.out.is_dir():
        raise StorageError(f"{request.out}: is a folder; expected the name of a file, such as mine-1.uncia")
    run = read_run(request.run)
    described, models, head = _parts(request.run, run)
    earlier = None if request.network_of is None else read_bundle(request.network_of)
    looks_again = request.looks_again(run, models.int8) if earlier is None else bool(earlier.manifest.second_look)
    members = {HEAD: _read(request.run / RUN_HEAD)}
    if earlier is None:
        members[MODEL] = attach_head(models.int8, *head.folded(), run.logit_range, looks_again)
    else:
        members |= kept_members(earlier, models.int8)
    manifest = _manifest(request, run, described, looks_again)
    if request.edgetpu:  # before the comparison, because it takes seconds and the comparison takes minutes
        members[EDGETPU], compiled = compile_for_edgetpu(members[MODEL])
        manifest = msgspec.structs.replace(manifest, notes=(*manifest.notes, compiled.sentence()))
    report = _parity(request.run, manifest, head, models, progress)
    for line in report.told(manifest.decision_rule.threshold):
        say(line)
    require_parity(report)
    manifest = msgspec.structs.replace(manifest, parity=msgspec.to_builtins(report))
    if earlier is None:
        members[PROBES] = _probes(models.int8, head, progress)
    else:
        manifest = with_kept_network(manifest, earlier.manifest)
    data = write_bundle(manifest, members)
    bundle = bundle_from_bytes(data)
    Classifier(bundle).check_probes()
    with storage_errors(request.out):
        request.out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(request.out, data)
    return bundle.manifest


def _parity(run: Path, manifest: Manifest, head: LogisticHead, models: ModelPair, progress: Progress) -> ParityReport:
    pictures = read_labels(run / RUN_PICTURES)
    held_out = held_out_from_bytes(_read(run / RUN_HELD_OUT), len(pictures))
    report = measure_parity(manifest, head, models, pictures, held_out, partial(progress, COMPARING))
    with storage_errors(run / PARITY):
        write_atomic(run / PARITY, indented_json(report))
    return report


def _probes(model: bytes, head: LogisticHead, progress: Progress) -> bytes:
    return probes_to_bytes(make_probes(model, head, partial(progress, DRAWING)))


def created_from_environment() -> datetime | None:
    """The time in the environment variable SOURCE_DATE_EPOCH; None where it is not set.

    Raises:
        DataError: it is not a number of seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "")
    if not text:
        return None
    try:
        return datetime.fromtimestamp(int(text), UTC)
    except (ValueError, OverflowError, OSError) as error:
        raise DataError(f"SOURCE_DATE_EPOCH is {text!r}; expected seconds since 1970, up to the year 9999") from error


def _parts(folder: Path, run: Run) -> tuple[dict[str, Any], ModelPair, LogisticHead]:
    try:
        described: dict[str, Any] = msgspec.json.decode(_read(folder / RUN_BACKBONE), type=dict[str, Any])
    except UNDECODABLE as error:
        raise DataError(f"{folder / RUN_BACKBONE}: {error}; make the run anew") from error
    models = ModelPair(_read(folder / RUN_MODEL), _read(folder / RUN_FLOAT), run.logit_range)
    return described, models, head_from_bytes(_read(folder / RUN_HEAD))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}); make the run anew with uncia-train fit") from error


def _manifest(request: BundleRequest, run: Run, described: dict[str, Any], looks_again: bool) -> Manifest:
    """The manifest before the comparison of the models.

    Raises:
        DataError: the backbone's description lacks a field.
        BundleError: a value is invalid.
    """
    try:
        manifest = _manifest_of_run(request, run, described)
    except (KeyError, TypeError, IndexError) as error:
        raise DataError(f"{request.run / RUN_BACKBONE}: lacks {error}; make the run anew") from error
    if looks_again:
        manifest = msgspec.structs.replace(manifest, looks_again=SecondLook(), schema=SCHEMA_2)
    manifest_from_bytes(manifest_to_bytes(manifest))
    return manifest


def _manifest_of_run(request: BundleRequest, run: Run, described: dict[str, Any]) -> Manifest:
    size = described["input_size"]
    return Manifest(
        name=run.name,
        version=request.version,
        created_at=request.created_at or run.created_at,
        labels=run.labels,
        positive_labels=run.positive_labels,
        input_size=(size[0], size[1]),
        backbone=Backbone(
            name=described["backbone"],
            layer=described["layer"],
            features=described["features"],
            cut=described.get("cut"),
            weights_sha256=described["weights_sha256"],
        ),
        burst_rule=run.burst_rule,
        region_rule=run.region_rule,
        decision_rule=request.decided(run),
        licence=request.licence,
        sha256={},
        calibration_prior=run.calibration_prior,
        regions=run.regions,
        metrics=run.metrics,
        training=run.training,
        sources=tuple(sorted(run.sources, key=lambda source: source.name)),
        notes=request.notes(run),
    )
