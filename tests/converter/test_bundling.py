"""`uncia-convert bundle` makes a reproducible bundle of a run, or exits with code 1, a report and no bundle."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest
from msgspec import UNSET
from PIL import Image

from support.full_disk import fill_disk
from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.quantization.quantize import float_model, int8_model
from uncia_backbones.weights.tensors import SeededTensors
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.bursts.regions import RegionRule
from uncia_contract.datasets.csv_labels import write_labels
from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import LogisticHead, head_to_bytes
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import EDGETPU, HEAD, MODEL, PROBES, SCHEMA_2
from uncia_contract.runs.held_out import HeldOut, held_out_to_bytes
from uncia_contract.runs.labels import LabelledPicture
from uncia_contract.runs.run_folder import (
    RUN,
    RUN_BACKBONE,
    RUN_FLOAT,
    RUN_HEAD,
    RUN_HELD_OUT,
    RUN_MODEL,
    RUN_PICTURES,
    Run,
    read_run,
)
from uncia_converter.cli import main

SIDE, FEATURES, PICTURES = 32, 8, 8


def network(seed: int) -> keras.Model:
    graph = Graph(SeededTensors(seed), 1e-3, TORCH_NAMES)
    pixels = keras.Input((SIDE, SIDE, 3), name="pixels")
    x = graph.convolution(normalised(pixels, 127.0, 128.0), "stem", FEATURES, 3, stride=2)
    x = keras.layers.ReLU(6.0, name="map")(graph.batch_norm(x, "norm"))
    return keras.Model(pixels, {"map": x, "pooled": keras.layers.GlobalAveragePooling2D(name="pooled")(x)})


@pytest.fixture(scope="module")
def models() -> tuple[bytes, bytes, bytes]:
    """The integer model, its float model, and the float model of another network."""
    cells = np.random.default_rng(1).integers(0, 256, (60, 1, 4, 4, 3), dtype=np.uint8)
    like_ours = cells.repeat(SIDE // 4, axis=2).repeat(SIDE // 4, axis=3)
    one = network(1)
    return int8_model(one, "pooled", like_ours), float_model(one, "pooled"), float_model(network(2), "pooled")


@pytest.fixture
def make_run(models: tuple[bytes, bytes, bytes], tmp_path: Path) -> Callable[[bool], Path]:
    """Makes a run with the integer model's own float model, or with another's."""

    def make(own: bool = True) -> Path:
        folder = tmp_path / "run"
        folder.mkdir()
        direction = np.random.default_rng(2).standard_normal(FEATURES).astype(np.float32) * 3
        head = LogisticHead(np.stack([-direction, direction]), np.zeros(2, np.float32), 1.0, np.zeros(2, np.float32))
        (folder / RUN).write_bytes(msgspec.json.encode(run()))
        (folder / RUN_MODEL).write_bytes(models[0])
        (folder / RUN_FLOAT).write_bytes(models[1] if own else models[2])
        (folder / RUN_HEAD).write_bytes(head_to_bytes(head))
        (folder / RUN_HELD_OUT).write_bytes(held_out_to_bytes(HeldOut(np.arange(PICTURES) % 2, (head, head))))
        (folder / RUN_BACKBONE).write_text(
            json.dumps({"backbone": "small", "layer": "pooled", "features": FEATURES, "input_size": [SIDE, SIDE],
                        "weights_sha256": "random:1"})
        )  # fmt: skip
        write_labels(folder / RUN_PICTURES, pictures(tmp_path))
        return folder

    return make


def run() -> Run:
    return Run(
        name="small",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
        labels=("other", "cat"),
        positive_labels=("cat",),
        burst_rule=BurstRule(),
        region_rule=RegionRule(),
        decision_rule=DecisionRule(0.2),
        metrics={},
        training={},
        sources=(),
        logit_range=(-6.0, 6.0),
        surroundings={},
    )


def pictures(folder: Path) -> list[LabelledPicture]:
    made = []
    for number in range(PICTURES):
        cells = np.random.default_rng(number).integers(0, 256, (4, 4, 3), dtype=np.uint8)
        path = folder / f"{number:02}.jpg"
        Image.fromarray(cells).resize((64, 64), Image.Resampling.NEAREST).save(path)
        made.append(LabelledPicture(path.name, path, "cat" if number % 2 else "other"))
    return made


def test_a_run_becomes_a_bundle_that_the_traps_classifier_runs(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """Its probes are reproduced, and its manifest has the parity report for both choices of heads."""
    out = tmp_path / "small-1.uncia"
    assert main(["bundle", str(make_run()), "--out", str(out)]) == 0
    bundle = read_bundle(out)
    assert Classifier(bundle).check_probes().probability == 0.0
    parity = bundle.manifest.parity
    assert (parity["pictures"], parity["folds"], parity["validation"]["problems"]) == (PICTURES, 2, [])
    assert len(parity["validation"]["worst"]) == len(parity["bundled_head"]["worst"]) == PICTURES


def test_the_same_run_gives_the_same_bytes(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """In two processes; neither hash order nor the clock matters."""
    folder, outs = make_run(), [tmp_path / "one.uncia", tmp_path / "two.uncia"]
    for out, seed in zip(outs, ("1", "2"), strict=True):
        convert(folder, out, PYTHONHASHSEED=seed)
    assert outs[0].read_bytes() == outs[1].read_bytes()


@pytest.mark.parametrize(
    ("given", "reason"),
    [
        (["--threshold-reason", "two false alarms a day"], "two false alarms a day"),
        ([], "no reason stated (--threshold-reason)"),
    ],
    ids=["a reason", "none"],
)
def test_a_threshold_that_a_person_chose_decides_and_its_reason_is_noted(
    make_run: Callable[..., Path], tmp_path: Path, given: list[str], reason: str
) -> None:
    """It replaces the run's threshold, which the note has; the run is unchanged."""
    folder, out = make_run(), tmp_path / "small-1.uncia"
    assert main(["bundle", str(folder), "--out", str(out), "--threshold", "0.75", *given]) == 0
    manifest = read_bundle(out).manifest
    assert (manifest.decision_rule.threshold, manifest.notes) == (0.75, (f"Threshold 0.75 in place of 0.2: {reason}",))
    assert read_run(folder) == run()


def test_a_reason_without_a_threshold_is_refused(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It would explain a number that was not given."""
    wanted = ["bundle", str(make_run()), "--out", str(tmp_path / "x.uncia"), "--threshold-reason", "two a day"]
    assert (main(wanted), capsys.readouterr().err.count("--threshold")) == (2, 2)


def test_a_model_that_fails_the_gate_does_not_become_a_bundle(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1, a report in the run's folder, changed verdicts and a remedy on stderr, no file."""
    folder, out = make_run(False), tmp_path / "bundles" / "small-1.uncia"
    assert main(["bundle", str(folder), "--out", str(out)]) == 1
    report = json.loads((folder / "parity.json").read_bytes())
    said = "".join(capsys.readouterr())
    assert report["validation"]["problems"]
    changed = [one["file"] for one in report["validation"]["changed_verdicts"]]
    assert [file in said for file in (*changed, "--pictures", "parity.json")] == [True] * (len(changed) + 2)
    assert not out.parent.exists()


def test_a_bundle_that_is_there_stays_when_its_successor_fails(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """The file is replaced only after all checks."""
    out = tmp_path / "small-1.uncia"
    out.write_bytes(b"the one before")
    main(["bundle", str(make_run(False)), "--out", str(out)])
    assert out.read_bytes() == b"the one before"


def test_there_is_no_way_around_the_gate(capsys: pytest.CaptureFixture[str]) -> None:
    """There is no flag `--no-gate`."""
    with pytest.raises(SystemExit) as refused:
        main(["bundle", "run", "--out", "x.uncia", "--no-gate"])
    assert (refused.value.code, "unrecognized arguments: --no-gate" in capsys.readouterr().err) == (2, True)


@pytest.mark.parametrize("name", [RUN_MODEL, RUN_FLOAT, RUN_HEAD, RUN_HELD_OUT, RUN_PICTURES, RUN_BACKBONE])
def test_a_run_that_lacks_a_part_is_refused(
    make_run: Callable[..., Path], tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """The message names the part; without held-out heads or float model nothing could be compared."""
    folder = make_run()
    (folder / name).unlink()
    assert main(["bundle", str(folder), "--out", str(tmp_path / "small-1.uncia")]) == 2
    assert name in capsys.readouterr().err


@pytest.mark.parametrize("damage", ["cut short", "another file"])
@pytest.mark.parametrize("name", [RUN, RUN_MODEL, RUN_FLOAT, RUN_HEAD, RUN_HELD_OUT, RUN_PICTURES, RUN_BACKBONE])
def test_a_damaged_part_is_refused_by_its_name(
    make_run: Callable[..., Path], tmp_path: Path, name: str, damage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2, and no bundle."""
    folder, out = make_run(), tmp_path / "small-1.uncia"
    whole = (folder / name).read_bytes()
    (folder / name).write_bytes(b"{}" if damage == "another file" else whole[: len(whole) * 2 // 3])
    assert main(["bundle", str(folder), "--out", str(out)]) == 2
    said = capsys.readouterr().err
    assert (name in said, said.count("\n"), out.exists()) == (True, 1, False)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "My Leopards"}, "manifest.json: Expected `str` matching regex"),
        ({"positive_labels": ("tiger",)}, "expected distinct labels, the positive ones among them"),
    ],
    ids=["name", "label"],
)
def test_an_invalid_manifest_is_refused_before_the_comparison(
    make_run: Callable[..., Path], tmp_path: Path, wrong: dict[str, Any], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2; the comparison would take minutes."""
    folder = make_run()
    (folder / RUN).write_bytes(msgspec.json.encode(msgspec.structs.replace(run(), **wrong)))
    assert main(["bundle", str(folder), "--out", str(tmp_path / "small-1.uncia")]) == 2
    told = capsys.readouterr()
    assert (said in told.err, told.out) == (True, "")


def test_a_folder_as_out_is_refused_before_the_comparison(
    make_run: Callable[..., Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """One line, exit code 2."""
    assert main(["bundle", str(make_run()), "--out", str(tmp_path)]) == 2
    told = capsys.readouterr()
    assert ("is a folder; expected the name of a file" in told.err, told.out) == (True, "")


def test_a_disk_that_fills_leaves_nothing_behind(
    make_run: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """No part of a bundle is left."""
    out, folder = tmp_path / "bundles" / "small-1.uncia", make_run()
    fill_disk(monkeypatch, out.parent)
    assert main(["bundle", str(folder), "--out", str(out)]) == 2
    assert ("No space left" in capsys.readouterr().err, list(out.parent.iterdir())) == (True, [])


@pytest.mark.parametrize("text", ["yesterday", "²", "99999999999999", "-99999999999999"])
def test_an_invalid_source_date_epoch_is_refused(
    make_run: Callable[..., Path], tmp_path: Path, text: str, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """One line, exit code 2."""
    monkeypatch.setenv("SOURCE_DATE_EPOCH", text)
    assert main(["bundle", str(make_run()), "--out", str(tmp_path / "small-1.uncia")]) == 2
    assert f"SOURCE_DATE_EPOCH is {text!r}; expected seconds since 1970" in capsys.readouterr().err


def test_a_model_for_the_edge_tpu_is_added_with_the_compilers_report(
    make_run: Callable[..., Path],
    tmp_path: Path,
    compiler: Callable[..., None],
    compiler_says: Callable[..., str],
    shared: Path,
) -> None:
    """It is a member of its own; the manifest has the number of operators and the memory."""
    compiled = (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes()
    compiler(compiler_says(), compiled)
    out = tmp_path / "small-1.uncia"
    assert main(["bundle", str(make_run()), "--out", str(out), "--edgetpu", "--no-second-look"]) == 0
    bundle = read_bundle(out)
    assert bundle.members[EDGETPU] == compiled
    assert bundle.manifest.notes == (
        "Edge TPU: all 5 operators mapped, parameters 4.12MiB on chip, 1.50KiB streamed from off chip.",
    )


def test_a_model_for_the_edge_tpu_must_give_the_map_of_a_second_look(
    make_run: Callable[..., Path],
    tmp_path: Path,
    compiler: Callable[..., None],
    compiler_says: Callable[..., str],
    shared: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Otherwise the Edge TPU could not give the peak."""
    compiler(compiler_says(), (shared / "golden/edgetpu/mobilenet_v1_0.25_128_quant_edgetpu.tflite").read_bytes())
    assert main(["bundle", str(make_run()), "--out", str(tmp_path / "small-1.uncia"), "--edgetpu"]) == 2
    assert "does not give the map [1, 16, 16, 8], which a second look needs" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "schema", "outputs"),
    [([], "uncia.bundle/2", 3), (["--second-look"], "uncia.bundle/2", 3), (["--no-second-look"], "uncia.bundle/1", 2)],
    ids=["by default", "asked for", "left out"],
)
def test_a_bundle_looks_again_where_its_backbone_pools_a_map(
    make_run: Callable[..., Path], tmp_path: Path, given: list[str], schema: str, outputs: int
) -> None:
    """It has schema 2, and its model gives the map between features and probabilities."""
    out = tmp_path / "small-1.uncia"
    assert main(["bundle", str(make_run()), "--out", str(out), *given]) == 0
    bundle = read_bundle(out)
    given_outputs = Interpreter(bundle.members[MODEL]).outputs
    assert (bundle.manifest.schema, len(given_outputs)) == (schema, outputs)
    assert (bundle.manifest.second_look is None) == (outputs == 2)


@pytest.mark.parametrize(("given", "code"), [([], 0), (["--second-look"], 2)], ids=["by default", "asked for"])
def test_whole_frames_are_looked_at_once(
    make_run: Callable[..., Path],
    tmp_path: Path,
    given: list[str],
    code: int,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A run without regions gives a bundle of schema 1; with --second-look it is refused in one line."""
    folder, out = make_run(), tmp_path / "small-1.uncia"
    (folder / RUN).write_bytes(msgspec.json.encode(msgspec.structs.replace(run(), regions=False)))
    assert main(["bundle", str(folder), "--out", str(out), *given]) == code
    said = capsys.readouterr().err
    assert said.count("\n") == bool(code) and (
        not code or "--second-look needs regions and a backbone that pools" in said
    )
    assert code or read_bundle(out).manifest.schema == "uncia.bundle/1"


@pytest.mark.parametrize("missing", [True, False], ids=["no compiler", "an operator left on the CPU"])
def test_a_missing_compiler_is_reported_before_the_comparison(
    make_run: Callable[..., Path],
    tmp_path: Path,
    compiler: Callable[..., None],
    compiler_says: Callable[..., str],
    missing: bool,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """One line, exit code 2, and no bundle."""
    folder, out = make_run(), tmp_path / "small-1.uncia"
    if not missing:
        compiler(compiler_says("More than one subgraph is not supported"), None)
    assert main(["bundle", str(folder), "--out", str(out), "--edgetpu"]) == 2
    said = capsys.readouterr()
    expected = "install the package edgetpu-compiler" if missing else "not everything was mapped: FULLY_CONNECTED x1"
    assert (expected in said.err, said.err.count("\n"), said.out, out.exists()) == (True, 1, "", False)


def test_it_prints_only_its_own_lines(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """No output of TensorFlow, of the runtime or of C++; progress is printed."""
    done = convert(make_run(), tmp_path / "small-1.uncia")
    lines = done.stdout.splitlines()
    assert (done.stderr, {line.split(": ")[0] for line in lines}) == ("", {"uncia-convert"})
    assert [any(said in line for line in lines) for said in ("comparing with", "probes checked")] == [True, True]


def convert(folder: Path, out: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own."""
    code = "import sys; from uncia_converter.cli import main; sys.exit(main(sys.argv[1:]))"
    return subprocess.run(
        [sys.executable, "-c", code, "bundle", str(folder), "--out", str(out)],
        check=True,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": ":".join(sys.path), **environment},
    )


def a_later_head(folder: Path) -> None:
    """A copy of the run with a newly fitted head."""
    direction = np.random.default_rng(3).standard_normal(FEATURES).astype(np.float32) * 3
    later = LogisticHead(np.stack([-direction, direction]), np.zeros(2, np.float32), 1.0, np.zeros(2, np.float32))
    (folder / RUN_HEAD).write_bytes(head_to_bytes(later))
    (folder / RUN_HELD_OUT).write_bytes(held_out_to_bytes(HeldOut(np.arange(PICTURES) % 2, (later, later))))


def test_a_new_head_keeps_the_network_that_traps_have(make_run: Callable[..., Path], tmp_path: Path) -> None:
    """Byte for byte; the manifest says that the graph's head is stale, and the probes are still checked."""
    folder, first, second = make_run(), tmp_path / "small-1.uncia", tmp_path / "small-2.uncia"
    assert main(["bundle", str(folder), "--out", str(first)]) == 0
    a_later_head(folder)
    words = ["--network-of", str(first), "--bundle-version", "2"]
    assert main(["bundle", str(folder), *words, "--out", str(second)]) == 0
    before, after = read_bundle(first), read_bundle(second)
    assert [after.members[name] == before.members[name] for name in (MODEL, PROBES, HEAD)] == [True, True, False]
    assert (after.manifest.graph_head, after.manifest.schema, after.manifest.version) == ("stale", SCHEMA_2, 2)
    assert after.manifest.second_look == before.manifest.second_look
    assert Classifier(after).check_probes().probability == 0.0
    with pytest.raises(BundleError, match="its probes differ"):  # a reader that does not know the word
        Classifier(replace(after, manifest=msgspec.structs.replace(after.manifest, graph_head=UNSET))).check_probes()


def test_a_network_that_gives_other_features_is_refused(
    make_run: Callable[..., Path], models: tuple[bytes, bytes, bytes], tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """The head would not fit its features."""
    folder, first = make_run(), tmp_path / "small-1.uncia"
    assert main(["bundle", str(folder), "--out", str(first)]) == 0
    other = network(2)
    (folder / RUN_MODEL).write_bytes(int8_model(other, "pooled", np.zeros((4, 1, SIDE, SIDE, 3), np.uint8)))
    (folder / RUN_FLOAT).write_bytes(models[2])
    out = tmp_path / "small-2.uncia"
    assert main(["bundle", str(folder), "--network-of", str(first), "--out", str(out)]) == 2
    assert ("gives other features than the network of small 1" in capsys.readouterr().err, out.exists()) == (
        True,
        False,
    )
