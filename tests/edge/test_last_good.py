"""A bundle that is refused never stops a trap that has worked before."""

import logging
from pathlib import Path

import pytest

from uncia_contract.bundle import Bundle
from uncia_contract.errors import BundleError
from uncia_edge.delegate import Chosen, choose
from uncia_edge.last_good import bundle_in_use

STARTER = Path(__file__).parents[2] / "models" / "snow-leopard-starter-1.uncia"


def prove(path: Path, bundle: Bundle) -> Chosen:
    return choose(path, bundle, 1, "")


def refuse(path: Path, bundle: Bundle) -> Chosen:
    raise BundleError(f"{path.name}: its probes differ")


def test_a_good_bundle_is_kept(tmp_path: Path) -> None:
    """Its bytes, in the state folder."""
    bundle_in_use(STARTER, tmp_path, prove)
    assert (tmp_path / "bundle" / "last-good.uncia").read_bytes() == STARTER.read_bytes()


@pytest.mark.parametrize("damage", ["truncated", "gone"])
def test_a_refused_bundle_leaves_the_last_good_one_in_use(
    tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Loudly, and with the reason for the state message."""
    good = bundle_in_use(STARTER, tmp_path, prove).bundle
    configured = tmp_path / "new.uncia"
    if damage == "truncated":
        configured.write_bytes(STARTER.read_bytes()[:100_000])
    with caplog.at_level(logging.ERROR):
        in_use = bundle_in_use(configured, tmp_path, prove)
    assert (in_use.bundle.sha256, "new.uncia" in str(in_use.refused)) == (good.sha256, True)
    assert "stays in use" in caplog.text


def test_without_a_last_good_bundle_the_refusal_stands(tmp_path: Path) -> None:
    """There is nothing to observe with."""
    with pytest.raises(BundleError, match="probes differ"):
        bundle_in_use(STARTER, tmp_path, refuse)


def test_a_refused_bundle_does_not_replace_the_last_good_one(tmp_path: Path) -> None:
    """What is kept has proven itself here."""
    with pytest.raises(BundleError):
        bundle_in_use(STARTER, tmp_path, refuse)
    assert not (tmp_path / "bundle").exists()
