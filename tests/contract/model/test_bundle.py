"""A bundle is complete and fits together, or is refused with what was expected and what was found."""

import io
import random
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle, bundle_from_bytes, read_bundle, write_bundle
from uncia_contract.model.manifest import HEAD, MODEL, PROBES
from uncia_contract.npz import write_arrays

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"


def rezipped(data: bytes, change: Callable[[str, bytes], bytes | None], compression: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(out, "w", compression) as target:
        for name in source.namelist():
            changed = change(name, source.read(name))
            if changed is not None:
                target.writestr(name, changed)
    return out.getvalue()


@pytest.fixture
def whole(tiny_members: dict[str, bytes], make_bundle: Callable[..., Bundle]) -> bytes:
    return write_bundle(make_bundle().manifest, tiny_members)


def test_equal_parts_give_equal_bytes(whole: bytes, tiny_members: dict[str, bytes]) -> None:
    """Times and order are fixed."""
    assert write_bundle(bundle_from_bytes(whole).manifest, dict(reversed(tiny_members.items()))) == whole


def test_members_are_stored_at_one_fixed_time(whole: bytes) -> None:
    """The earliest time of a zip, so that the bytes do not depend on the day of packing."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        found = {(info.date_time, info.compress_type) for info in archive.infolist()}
    assert found == {((1980, 1, 1, 0, 0, 0), zipfile.ZIP_STORED)}


@pytest.mark.parametrize("cut", [0, 1, 100, 2000, -1, -30], ids=str)
def test_a_truncated_file_is_refused(whole: bytes, cut: int) -> None:
    """Cut at any place."""
    with pytest.raises(BundleError, match=r"truncated|expected a \.uncia"):
        bundle_from_bytes(whole[:cut])


def test_a_damaged_file_is_refused_or_reads_the_same(whole: bytes) -> None:
    """3,000 files with one or four changed bytes, most of them in the zip's own data."""
    bundle, chance = bundle_from_bytes(whole), random.Random(7)
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(chance.choice((1, 1, 4))):
            last = chance.random() < 0.7
            damaged[chance.randrange(len(whole) - 500 if last else 0, len(whole))] = chance.randrange(256)
        with suppress(BundleError):
            read = bundle_from_bytes(bytes(damaged))
            assert (read.manifest, read.members) == (bundle.manifest, bundle.members)


@pytest.mark.parametrize("name", [MODEL, HEAD, PROBES, "manifest.json"])
def test_a_missing_member_is_named(whole: bytes, name: str) -> None:
    """Each of the four is needed."""
    with pytest.raises(BundleError, match=name):
        bundle_from_bytes(rezipped(whole, lambda member, data: None if member == name else data))


@pytest.mark.parametrize("name", [MODEL, HEAD, PROBES])
def test_a_changed_member_is_named_with_both_hashes(whole: bytes, name: str) -> None:
    """One bit is enough."""

    def flipped(member: str, data: bytes) -> bytes:
        return data[:-1] + bytes([data[-1] ^ 1]) if member == name else data

    with pytest.raises(BundleError, match=f"damaged: {name} has sha256 .* expected"):
        bundle_from_bytes(rezipped(whole, flipped))


def test_deflated_members_are_refused(whole: bytes) -> None:
    """So equal bundles have equal bytes, and a small file cannot unpack to a large one."""
    with pytest.raises(BundleError, match="stored and not deflated"):
        bundle_from_bytes(rezipped(whole, lambda _, data: data, zipfile.ZIP_DEFLATED))


def test_a_head_of_another_width_is_refused_with_both_widths(make_bundle: Callable[..., Bundle]) -> None:
    """The manifest says 2 features."""
    arrays = {
        "weights": np.zeros((2, 3), np.float32),
        "bias": np.zeros(2),
        "slope": np.float32(1),
        "offset": np.zeros(2),
    }
    with pytest.raises(BundleError, match="2 classes of 3 features; expected 2 labels and the 2 features"):
        make_bundle({HEAD: write_arrays(arrays)})


@pytest.mark.parametrize("part", ["weights", "bias", "slope", "offset"])
@pytest.mark.parametrize("bad", [np.nan, np.inf], ids=["nan", "infinite"])
def test_weights_that_are_no_numbers_are_refused(make_bundle: Callable[..., Bundle], part: str, bad: float) -> None:
    """In any part of the head."""
    arrays: dict[str, Any] = {
        "weights": np.zeros((2, 2), np.float32), "bias": np.zeros(2), "slope": np.float32(1), "offset": np.zeros(2),
    }  # fmt: skip
    arrays[part] = np.full_like(arrays[part], bad)
    with pytest.raises(BundleError, match="not numbers"):
        make_bundle({HEAD: write_arrays(arrays)})


def test_a_head_without_a_part_names_it(make_bundle: Callable[..., Bundle]) -> None:
    """The message lists the arrays that are there."""
    with pytest.raises(BundleError, match=r"head\.npz: lacks weights.*it has bias"):
        make_bundle({HEAD: write_arrays({"bias": np.zeros(2)})})


def test_arrays_that_would_unpickle_are_refused(make_bundle: Callable[..., Bundle]) -> None:
    """A bundle runs no code."""
    out = io.BytesIO()
    np.savez(out, weights=np.array([{}], dtype=object), bias=0, slope=0, offset=0)
    with pytest.raises(BundleError, match=r"head\.npz: not a file of arrays"):
        make_bundle({HEAD: out.getvalue()})


def test_a_positive_label_must_be_a_label(make_bundle: Callable[..., Bundle]) -> None:
    """A contradictory manifest is refused."""
    described = msgspec.structs.replace(make_bundle().manifest, positive_labels=("yeti",))
    with pytest.raises(BundleError, match="yeti"):
        make_bundle(described=described)


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    """The message says what is expected."""
    with pytest.raises(BundleError, match=r"none\.uncia: cannot be read .*expected a \.uncia bundle"):
        read_bundle(tmp_path / "none.uncia")


def test_the_starter_bundle_can_be_read() -> None:
    """The bundle that is shipped."""
    assert read_bundle(STARTER).manifest.positive_labels == ("snow_leopard",)


@pytest.mark.parametrize("path", sorted(STARTER.parent.glob("*.uncia")), ids=lambda path: path.stem)
def test_a_bundle_that_ships_has_at_most_6_mb(path: Path) -> None:
    """It may be sent over a slow link."""
    network = read_bundle(path).manifest.backbone.name
    assert (network in ("efficientnet-lite0", "efficientnet-lite2"), path.stat().st_size <= 6_000_000) == (True, True)
