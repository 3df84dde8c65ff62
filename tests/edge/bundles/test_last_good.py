"""A refused bundle never stops a trap that has worked before."""

import dataclasses
import hashlib
import logging
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import pytest
from PIL import Image

from support.bundles import select
from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.manifest import HEAD, MODEL, PROBES, Backbone, manifest_to_bytes
from uncia_contract.model.probes import probes_from_bytes, probes_to_bytes
from uncia_contract.npz import write_arrays
from uncia_edge.cli.main import main
from uncia_edge.scoring.delegate import ChosenClassifier, choose

CONTRACT_MODELS = Path(__file__).parents[2] / "contract" / "models"
STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"


CONFIGURATION = """
trap = "ridge-01"
bundle = "{folder}/trap.uncia"
state = "{folder}/state"
[camera]
folder = "{folder}/recording"
[broker]
port = 1
"""


def record_burst(folder: Path) -> None:
    """Two frames of noise."""
    folder.mkdir(parents=True)
    for number in range(2):
        noise = np.random.default_rng(number).integers(0, 255, (240, 320, 3), dtype=np.uint8)
        Image.fromarray(noise).save(folder / f"{number}.jpg")


def prove(path: Path, bundle: Bundle) -> ChosenClassifier:
    return choose(path, bundle, 1, "")


def refuse(path: Path, bundle: Bundle) -> ChosenClassifier:
    raise BundleError(f"{path.name}: its probes differ")


def test_a_good_bundle_is_kept(tmp_path: Path) -> None:
    """Its bytes are in the state folder."""
    select(STARTER, tmp_path, prove)
    assert (tmp_path / "bundle" / "last-good.uncia").read_bytes() == STARTER.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_a_refused_bundle_leaves_the_last_good_one_in_use(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged as an error, and the state message has the reason."""
    good = select(STARTER, tmp_path, prove).bundle
    configured = tmp_path / "new.uncia"
    if damage == "truncated":
        configured.write_bytes(STARTER.read_bytes()[:100_000])
    with caplog.at_level(logging.ERROR):
        in_use = select(configured, tmp_path, prove)
    assert (in_use.bundle.sha256, "new.uncia" in str(in_use.refused)) == (good.sha256, True)
    assert re.search(r"the last good bundle, .* is used", caplog.text)


def packed(path: Path, changed: dict[str, bytes], **described: object) -> None:
    """The starter bundle with other members and manifest entries, and with the right hashes."""
    starter = read_bundle(STARTER)
    members = {**starter.members, **changed}
    hashes = {name: hashlib.sha256(data).hexdigest() for name, data in members.items()}
    manifest = msgspec.structs.replace(starter.manifest, sha256=hashes, **described)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", manifest_to_bytes(manifest))
        for name, data in members.items():
            archive.writestr(name, data)


def arrays_of_head(width: int, value: float) -> bytes:
    weights = np.full((2, width), value, np.float32)
    return write_arrays({"weights": weights, "bias": np.zeros(2), "slope": np.float32(1), "offset": np.zeros(2)})


def other_answers() -> bytes:
    probes = probes_from_bytes(read_bundle(STARTER).members[PROBES])
    return probes_to_bytes(dataclasses.replace(probes, probabilities=1 - probes.probabilities))


bad_bundles = pytest.mark.parametrize(
    ("changed", "described", "reason"),
    [
        (lambda: {MODEL: read_bundle(STARTER).members[MODEL][:100_000]}, {}, r"model\.tflite: truncated or damaged.*"
         r"100000 bytes.*expected a TFLite flatbuffer"),
        (lambda: {HEAD: arrays_of_head(1279, 0.0)}, {}, r"head\.npz: 2 classes of 1279 features; expected .*1280"),
        (lambda: {HEAD: arrays_of_head(7, 0.0)}, {"backbone": Backbone("other", "pooled", 7)},
         r"gives 1280 features, its head expects 7"),
        (lambda: {HEAD: arrays_of_head(1280, np.nan)}, {}, r"weights that are not numbers \(NaN or infinite\)"),
        (lambda: {MODEL: (CONTRACT_MODELS / "dynamic.tflite").read_bytes()}, {},
         r"input uint8 \(-1, 8, 8, 3\), expected uint8 \(1, height, width, 3\), all fixed"),
        (lambda: {MODEL: (CONTRACT_MODELS / "float.tflite").read_bytes()}, {}, r"input float32 .* expected uint8"),
        (lambda: {PROBES: other_answers()}, {}, r"its probes differ by .*expected at most"),
    ],
    ids=["truncated flatbuffer", "head against manifest", "head against model", "NaN weights", "dynamic shape",
         "float input", "probes not reproduced"],
)  # fmt: skip


@bad_bundles
def test_a_bad_bundle_is_named_and_the_last_good_one_stays(
    tmp_path: Path, changed: Callable[[], dict[str, bytes]], described: dict[str, object], reason: str,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    """The log says what was expected and found; the last good file is unchanged."""
    good = select(STARTER, tmp_path, prove).bundle
    packed(tmp_path / "new.uncia", changed(), **described)
    with caplog.at_level(logging.ERROR):
        in_use = select(tmp_path / "new.uncia", tmp_path, prove)
    assert (in_use.bundle.sha256, bool(in_use.refused)) == (good.sha256, True)
    assert re.search(reason, caplog.text)


def test_the_log_names_bundle_runtime_and_delegate(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """When the trap starts."""
    (tmp_path / "trap.toml").write_text(CONFIGURATION.format(folder=tmp_path))
    (tmp_path / "trap.uncia").write_bytes(STARTER.read_bytes())
    record_burst(tmp_path / "recording" / "burst")
    with caplog.at_level(logging.INFO):
        assert main(["run", "--config", str(tmp_path / "trap.toml")]) == 0
    info = Classifier(read_bundle(STARTER), threads=0).info
    assert f"bundle snow-leopard-starter version 2 on {info}, probes reproduced" in caplog.text
    assert f"{info.name} {info.version} (XNNPACK)" in str(info)


@bad_bundles
def test_a_trap_that_is_given_a_bad_bundle_goes_on_deciding(
    tmp_path: Path, changed: Callable[[], dict[str, bytes]], described: dict[str, object], reason: str,
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    """`uncia-trap run` with a good bundle, then with a bad one in its place: the verdict of a burst is the same."""
    configuration, bundle = tmp_path / "trap.toml", tmp_path / "trap.uncia"
    configuration.write_text(CONFIGURATION.format(folder=tmp_path))
    record_burst(tmp_path / "recording" / "burst")
    bundle.write_bytes(STARTER.read_bytes())
    assert main(["run", "--config", str(configuration)]) == 0
    before = capsys.readouterr().out
    packed(bundle, changed(), **described)
    assert main(["run", "--config", str(configuration)]) == 0
    after = capsys.readouterr().out
    assert "negative" in before and after.split()[1:] == before.split()[1:]
    assert re.search(reason, caplog.text) and re.search(r"the last good bundle, .* is used", caplog.text)


def test_without_a_last_good_bundle_the_refusal_is_an_error(tmp_path: Path) -> None:
    """The trap has no bundle to score with."""
    with pytest.raises(BundleError, match="probes differ"):
        select(STARTER, tmp_path, refuse)


def test_a_refused_bundle_does_not_replace_the_last_good_one(tmp_path: Path) -> None:
    """Only a bundle that reproduced its probes here is kept."""
    with pytest.raises(BundleError):
        select(STARTER, tmp_path, refuse)
    assert not (tmp_path / "bundle" / "last-good.uncia").exists()
