"""A bundle from an attacker is refused with one line, and cannot use much more memory than its own size."""

import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import Callable

import msgspec
import numpy as np
import pytest

from support.bundles import bundle_bytes
from support.fixed_scores import make_manifest
from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Seal, bundle_from_bytes, write_bundle
from uncia_contract.model.manifest import HEAD, MODEL, PROBES, manifest_to_bytes
from uncia_contract.model.probes import probes_from_bytes
from uncia_contract.npz import write_arrays

_MB = 1_000_000
SMALL = {"weights": np.zeros((2, 2), np.float32), "bias": np.zeros(2), "slope": np.ones(()), "offset": np.zeros(2)}


def whole(head: bytes, probes: bytes = b"probes") -> bytes:
    """A bundle with right hashes, whose head or probes differ from what the manifest says."""
    members = {MODEL: b"model", HEAD: head, PROBES: probes}
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in members.items()}
    manifest = msgspec.structs.replace(make_manifest(), sha256=hashes)
    return packed({"manifest.json": manifest_to_bytes(manifest), **members})


def packed(members: dict[str, bytes], method: int = zipfile.ZIP_STORED, comment: bytes = b"") -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        archive.comment = comment
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


def bomb() -> bytes:
    """240 MB of zeros in 240 kB."""
    return write_arrays({**SMALL, "weights": np.zeros((2, 30_000_000), np.float32)}, compress=True)


def lying_header() -> bytes:
    """A head whose header claims weights of 8 GB."""
    return write_arrays(SMALL).replace(b"(2, 2), }            ", b"(99999, 19999), }    ")


def nested() -> bytes:
    """A head that is a zip within a zip."""
    inner = packed({"more": bytes(100 * _MB)}, zipfile.ZIP_DEFLATED)
    return packed({f"{name}.npy": inner for name in SMALL})


HOSTILE: dict[str, Callable[[], bytes]] = {
    "a head that unpacks to 240 MB": lambda: whole(bomb()),
    "a head whose header claims 8 GB": lambda: whole(lying_header()),
    "a zip in the head": lambda: whole(nested()),
    "a directory of 60000 members": lambda: packed({f"{number}": b"" for number in range(60_000)}),
    "deflated members": lambda: packed({"manifest.json": bytes(200 * _MB)}, zipfile.ZIP_DEFLATED),
    "a comment": lambda: packed({"manifest.json": b"{}"}, comment=b"x" * 65_000),
    "a manifest of 20 MB": lambda: packed({"manifest.json": b'{"metrics": {"a": [' + b"[]," * 7 * _MB + b"[]]}}"}),
    "a manifest nested 500000 deep": lambda: packed({"manifest.json": b"[" * 500_000}),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_bundle_is_refused_within_its_own_size(name: str) -> None:
    """At most twice the file and ten megabytes more."""
    data = HOSTILE[name]()
    tracemalloc.start()
    try:
        with pytest.raises(BundleError) as refused:
            bundle_from_bytes(data)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "\n" not in str(refused.value)
    assert peak < 2 * len(data) + 10 * _MB


def test_probes_are_bounded_by_the_manifest() -> None:
    """No more probes than a bundle with so many labels may have."""
    with pytest.raises(BundleError, match=r"probes.npz: 240000\d+ bytes unpacked, expected at most \d+"):
        probes_from_bytes(bomb(), make_manifest())


def test_nothing_is_parsed_before_the_caller_checked_the_seal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither manifest nor head, if `vouch` refuses."""

    def parse(*_: object) -> None:
        raise AssertionError("parsed")

    def refuse(seal: Seal) -> None:
        assert seal.signature == b"s" * 64
        raise BundleError("not ours")

    bundle = bundle_from_bytes(bundle_bytes(1))
    data = write_bundle(bundle.manifest, bundle.members, b"s" * 64)
    monkeypatch.setattr("uncia_contract.model.bundle.manifest_from_bytes", parse)
    monkeypatch.setattr("uncia_contract.model.bundle.head_from_bytes", parse)
    with pytest.raises(BundleError, match="not ours"):
        bundle_from_bytes(data, refuse)
    with pytest.raises(AssertionError):
        bundle_from_bytes(data)
