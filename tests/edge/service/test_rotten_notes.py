"""Damaged small files of the state folder: none of them stops the trap."""

from pathlib import Path

import pytest
from tests.edge.bundles.test_offers import World

from support.bundles import bundle_bytes
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.service.overrides import OverrideFile, Overrides

rotten = pytest.mark.parametrize(
    "rot", [b"", b"{", b"[]", b'{"file": "\xff"}', b"[" * 5000, bytes(64)],
    ids=["empty", "torn", "another kind", "no UTF-8", "endless", "zeros"],
)  # fmt: skip


@rotten
def test_with_a_damaged_note_of_an_installed_bundle_the_configured_one_decides(tmp_path: Path, rot: bytes) -> None:
    """As if no bundle had been installed."""
    configured = tmp_path / "trap.uncia"
    configured.write_bytes(bundle_bytes(1))
    installed = InstalledBundle(tmp_path / "bundle", configured)
    installed.put(bundle_bytes(2))
    (tmp_path / "bundle" / "installed.json").write_bytes(rot)
    assert installed.path is None


@rotten
def test_damaged_overrides_fall_back_to_the_previous_ones(tmp_path: Path, rot: bytes) -> None:
    """Or to the values of bundle and configuration."""
    (tmp_path / "overrides.json").write_bytes(rot)
    assert OverrideFile(tmp_path / "overrides.json").current == Overrides()


@rotten
def test_a_half_received_bundle_is_forgotten(tmp_path: Path, rot: bytes) -> None:
    """The base station offers it again."""
    world, content = World(tmp_path), bundle_bytes(2)
    world.send(content, most=1)
    note = world.installed._folder / "offered.json"
    note.write_bytes(rot)
    assert world.send(content)
