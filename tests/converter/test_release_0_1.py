"""A run folder of release 0.1 gives the same bundle as in that release."""

import hashlib
import json
from pathlib import Path

from uncia_contract.model.bundle import read_bundle
from uncia_converter.cli import main


def test_the_run_becomes_a_bundle_with_the_same_model_and_head(release: Path, tmp_path: Path) -> None:
    """Byte for byte; the manifest's figures may depend on the processor."""
    station, out = release / "workstation", tmp_path / "small-1.uncia"
    assert main(["bundle", str(station / "run"), "--out", str(out), "--no-second-look"]) == 0
    members, then = read_bundle(out).members, json.loads((station / "bundle.json").read_text())
    assert {name: hashlib.sha256(members[name]).hexdigest() for name in then} == then
