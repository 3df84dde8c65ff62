"""Bundles of schema 1 keep their verdicts bit for bit; readers of schema 1 refuse a bundle of schema 2."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import msgspec
import pytest

from support.fixed_scores import make_manifest
from support.stored_verdicts import verdicts
from uncia_contract.bursts.second_look import SecondLook
from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.manifest import SCHEMA_2, Manifest, manifest_from_bytes, manifest_to_bytes

ROOT = Path(__file__).parents[3]
STORED = ROOT / "tests" / "fixtures" / "schema-1"


@pytest.fixture(scope="module")
def old_reader() -> ModuleType:
    """The module `manifest` of commit 5db8842."""
    spec = importlib.util.spec_from_file_location("manifest_5db8842", STORED / "manifest_5db8842.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def looking_again() -> Manifest:
    """A manifest of schema 2."""
    return msgspec.structs.replace(make_manifest(), looks_again=SecondLook(), schema=SCHEMA_2)


@pytest.mark.parametrize("every_frame", [False, True], ids=["early exit", "every frame"])
@pytest.mark.parametrize("bundle", ["rendered-demo-1.uncia", "snow-leopard-starter-1.uncia"])
def test_bundles_of_schema_1_keep_their_verdicts(bundle: str, every_frame: bool) -> None:
    """Confidence, bound, and each frame's score, region and reason, as commit 5db8842 gave them for the same scores."""
    stored = json.loads((STORED / "verdicts.json").read_text())[f"{bundle} {every_frame}"]
    assert json.loads(json.dumps(verdicts(ROOT / "models" / bundle, every_frame))) == stored


@pytest.mark.parametrize("bundle", ["rendered-demo-1.uncia", "snow-leopard-starter-1.uncia"])
def test_a_manifest_of_schema_1_is_written_as_it_was(bundle: str, old_reader: ModuleType) -> None:
    """Byte for byte: fields that it does not use are not written."""
    manifest = read_bundle(ROOT / "models" / bundle).manifest
    assert manifest_to_bytes(manifest) == old_reader.manifest_to_bytes(
        old_reader.manifest_from_bytes(manifest_to_bytes(manifest))
    )


def test_a_reader_of_schema_1_refuses_schema_2_in_one_line(old_reader: ModuleType) -> None:
    """Otherwise it would ignore the second look and decide by other rules than the bundle's."""
    with pytest.raises(BundleError, match=r"^manifest\.json: .*uncia\.bundle/2.*schema.*$") as refused:
        old_reader.manifest_from_bytes(manifest_to_bytes(looking_again()))
    assert "\n" not in str(refused.value)


def test_a_second_look_comes_back_as_it_was_written() -> None:
    """Together with its schema."""
    assert manifest_from_bytes(manifest_to_bytes(looking_again())) == looking_again()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"schema": "uncia.bundle/1"}, "second_look in schema uncia.bundle/1; expected it in uncia.bundle/2"),
        ({"schema": "uncia.bundle/3"}, "uncia.bundle/3"),
        ({"regions": False}, "expected regions and pooled features"),
        ({"second_look": {"sides": [0.5]}}, r"length >= 2.*second_look\.sides"),
        ({"second_look": {"sides": [0.05] * 11}}, r"length <= 10.*second_look\.sides"),
        ({"second_look": {"sighted": 1.5}}, r"<= 1\.0.*second_look\.sighted"),
        ({"second_look": {"third": 1}}, "third"),
    ],
    ids=["old schema", "newer schema", "no regions", "one window", "eleven windows", "no probability", "unknown"],
)
def test_a_wrong_manifest_of_schema_2_is_refused(change: dict[str, Any], told: str) -> None:
    """For example, a second look under schema 1 would be applied here and ignored on an old trap."""
    said = json.loads(manifest_to_bytes(looking_again())) | change
    with pytest.raises(BundleError, match=told):
        manifest_from_bytes(json.dumps(said).encode())
