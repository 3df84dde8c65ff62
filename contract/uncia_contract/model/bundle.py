"""The model bundle: one file that holds all a trap needs to decide (DESIGN 4).

A zip with stored members and fixed timestamps: equal inputs give equal bytes. Decides what a whole, undamaged bundle
is; whether its model runs here is the classifier's to find out, whether its signature is trusted the trap's.
"""

import hashlib
import io
import struct
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from uncia_contract.errors import BundleError
from uncia_contract.messages.records import BundleIdentity, BundleOffer, BundlePart
from uncia_contract.model.heads import LogisticHead, head_from_bytes
from uncia_contract.model.manifest import HEAD, MEMBERS, MODEL, PROBES, Manifest, manifest_from_bytes, manifest_to_bytes
from uncia_contract.npz import member

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_BUNDLE_BYTES = 512 * 1024 * 1024


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose members are whole and fit together. `members` holds the bytes of each, by name."""

    manifest: Manifest
    head: LogisticHead
    members: Mapping[str, bytes]
    sha256: str
    manifest_bytes: bytes = field(repr=False)
    signature: bytes | None = None

    @property
    def identity(self) -> BundleIdentity:
        """Name, version and the file's sha256, as records carry them."""
        return BundleIdentity(self.manifest.name, self.manifest.version, self.sha256)


def write_bundle(manifest: Manifest, members: Mapping[str, bytes], signature: bytes | None = None) -> bytes:
    """A bundle's bytes; the manifest's sha256 of each member is filled in here.

    Raises:
        BundleError: a member is missing or unknown, or the parts do not fit together.
    """
    hashes = {name: _sha256(data) for name, data in sorted(members.items())}
    manifest_bytes = manifest_to_bytes(msgspec.structs.replace(manifest, sha256=hashes))
    parts = {MANIFEST: manifest_bytes, **({SIGNATURE: signature} if signature else {})}
    data = _zip({**parts, **{name: members[name] for name in MEMBERS if name in members}})
    _assemble(manifest_bytes, dict(members), signature, data)
    return data


def read_bundle(path: Path) -> Bundle:
    """The bundle in a file.

    Raises:
        BundleError: there is no such file, it is not a bundle, is damaged, or its parts do not fit together.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BUNDLE_BYTES:
            raise BundleError(f"{path}: {size} bytes, expected at most {MAX_BUNDLE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); expected a .uncia bundle") from error
    try:
        return bundle_from_bytes(data)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def bundle_from_bytes(data: bytes) -> Bundle:
    """The bundle in these bytes.

    Raises:
        BundleError: not a bundle, damaged, or its parts do not fit together.
    """
    parts = _unzip(data)
    manifest_bytes = parts.pop(MANIFEST, None)
    if manifest_bytes is None:
        raise BundleError("not a bundle, or truncated: it has no manifest.json; make one with uncia-convert bundle")
    return _assemble(manifest_bytes, parts, parts.pop(SIGNATURE, None), data)


def bundle_offer(bundle: Bundle, data: bytes) -> BundleOffer:
    """What is said of a bundle before its file is sent; `data` are the file's bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        starts = {info.filename: _content_start(data, info.header_offset) for info in archive.infolist()}
    hashes = bundle.manifest.sha256
    parts = [BundlePart(starts[name], starts[name] + len(bundle.members[name]), hashes[name]) for name in hashes]
    return BundleOffer(bundle.identity, len(data), tuple(sorted(parts, key=lambda part: part.start)))


def _content_start(data: bytes, header: int) -> int:
    """Where a stored member's bytes begin: behind its local header, name and extra field."""
    name_length, extra_length = struct.unpack_from("<HH", data, header + 26)
    return header + 30 + int(name_length) + int(extra_length)


def _assemble(manifest_bytes: bytes, members: dict[str, bytes], signature: bytes | None, data: bytes) -> Bundle:
    manifest = manifest_from_bytes(manifest_bytes)
    _check_members(manifest, members)
    head = head_from_bytes(members[HEAD])
    if (head.classes, head.features) != (len(manifest.labels), manifest.backbone.features):
        raise BundleError(
            f"head.npz: {head.classes} classes of {head.features} features; expected {len(manifest.labels)} labels "
            f"and the {manifest.backbone.features} features of {manifest.backbone.name}"
        )
    return Bundle(manifest, head, members, _sha256(data), manifest_bytes, signature)


def _check_members(manifest: Manifest, members: Mapping[str, bytes]) -> None:
    missing = {MODEL, HEAD, PROBES} - set(members)
    if missing:
        raise BundleError(f"incomplete: lacks {', '.join(sorted(missing))}")
    if set(members) != set(manifest.sha256) or not set(members) <= set(MEMBERS):
        raise BundleError(f"holds {sorted(members)}, its manifest names {sorted(manifest.sha256)}")
    for name, data in members.items():
        if _sha256(data) != manifest.sha256[name]:
            raise BundleError(f"damaged: {name} has sha256 {_sha256(data)[:12]}, expected {manifest.sha256[name][:12]}")


def _zip(parts: Mapping[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in parts.items():
            archive.writestr(member(name), data)
    return out.getvalue()


def _unzip(data: bytes) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if len(set(names)) != len(names) or any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise BundleError("not a bundle, or truncated: expected members once each, stored and not deflated")
            return {info.filename: archive.read(info) for info in infos if info.file_size <= len(data)}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"not a bundle, or truncated ({error}); expected a .uncia file") from error


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
