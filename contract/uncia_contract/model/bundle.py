"""The model bundle: one file with everything that a trap needs to decide (DESIGN 4).

A bundle is a zip with stored members and fixed timestamps, so equal inputs give equal bytes. This module decides
whether a bundle is complete and undamaged. The classifier finds out whether its model runs here; the trap decides
whether it trusts the signature.

A bundle may come from an attacker. So it is checked in this order: the zip's directory (a few entries), the sizes of
manifest and signature, the caller's check of both (`vouch`), the sha256 of each member, the head (no larger than the
manifest says). The classifier reads probes and model.
"""

import hashlib
import io
import struct
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import msgspec

from uncia_contract.errors import BundleError
from uncia_contract.messages.records import BundleIdentity, BundleOffer, BundlePart
from uncia_contract.model.heads import LogisticHead, head_from_bytes
from uncia_contract.model.manifest import HEAD, MEMBERS, MODEL, PROBES, Manifest, manifest_from_bytes, manifest_to_bytes
from uncia_contract.npz import member

MANIFEST, SIGNATURE = "manifest.json", "manifest.sig"
MAX_BUNDLE_BYTES = 64 * 1024 * 1024  # a trap's service may use 600 MB, and holds a new bundle twice for a time
MAX_MANIFEST_BYTES = 1024 * 1024
_SIGNATURE_BYTES = 64
_END, _ZIP64_LOCATOR = struct.Struct("<4s4H2LH"), 20


@dataclass(frozen=True, eq=False)
class Bundle:
    """A bundle whose members are complete and fit together; `members` holds the bytes of each, by name."""

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


@dataclass(frozen=True)
class Seal:
    """A bundle's manifest and signature, which are read and checked before anything else."""

    manifest_bytes: bytes
    signature: bytes | None

    @cached_property
    def manifest(self) -> Manifest:
        """The decoded manifest.

        Raises:
            BundleError: the bytes are not a valid manifest.
        """
        return manifest_from_bytes(self.manifest_bytes)


# A caller's check: it raises BundleError if a bundle with this manifest and signature must not be read further.
Vouch = Callable[[Seal], object]


def _accept_all(seal: Seal) -> None:
    """Accept every bundle."""


def write_bundle(manifest: Manifest, members: Mapping[str, bytes], signature: bytes | None = None) -> bytes:
    """The bytes of a bundle; the sha256 of each member is added to the manifest.

    Raises:
        BundleError: a member is missing or unknown, or the parts do not fit together.
    """
    hashes = {name: _sha256(data) for name, data in sorted(members.items())}
    manifest_bytes = manifest_to_bytes(msgspec.structs.replace(manifest, sha256=hashes))
    parts = {MANIFEST: manifest_bytes, **({SIGNATURE: signature} if signature else {})}
    data = _zip({**parts, **{name: members[name] for name in MEMBERS if name in members}})
    _assemble(Seal(manifest_bytes, signature), dict(members), data)
    return data


def read_bundle(path: Path, vouch: Vouch = _accept_all) -> Bundle:
    """The bundle in a file; `vouch` checks manifest and signature before the rest is read.

    Raises:
        BundleError: the file cannot be read, is not a bundle or is damaged, or its parts do not fit together; also
            what `vouch` raises.
    """
    try:
        size = path.stat().st_size
        if size > MAX_BUNDLE_BYTES:
            raise BundleError(f"{path}: {size} bytes, expected at most {MAX_BUNDLE_BYTES}")
        data = path.read_bytes()
    except OSError as error:
        raise BundleError(f"{path}: cannot be read ({error.strerror}); expected a .uncia bundle") from error
    try:
        return bundle_from_bytes(data, vouch)
    except BundleError as error:
        raise BundleError(f"{path}: {error}") from error


def bundle_from_bytes(data: bytes, vouch: Vouch = _accept_all) -> Bundle:
    """The bundle in these bytes; `vouch` checks manifest and signature before the rest is read.

    Raises:
        BundleError: not a bundle, damaged, or its parts do not fit together; also what `vouch` raises.
    """
    parts = _unzip(data)
    manifest_bytes = parts.pop(MANIFEST, None)
    if manifest_bytes is None:
        raise BundleError("not a bundle, or truncated: it has no manifest.json; make one with uncia-convert bundle")
    seal = Seal(manifest_bytes, parts.pop(SIGNATURE, None))
    _check_sizes(seal)
    vouch(seal)
    return _assemble(seal, parts, data)


def bundle_offer(bundle: Bundle, data: bytes) -> BundleOffer:
    """The offer that is sent before a bundle's file; `data` are the file's bytes."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        starts = {info.filename: _content_start(data, info.header_offset) for info in archive.infolist()}
    hashes = bundle.manifest.sha256
    parts = [BundlePart(starts[name], starts[name] + len(bundle.members[name]), hashes[name]) for name in hashes]
    return BundleOffer(bundle.identity, len(data), tuple(sorted(parts, key=lambda part: part.start)))


def _content_start(data: bytes, header: int) -> int:
    """The offset of a stored member's bytes, which follow its local header, name and extra field."""
    name_length, extra_length = struct.unpack_from("<HH", data, header + 26)
    return header + 30 + int(name_length) + int(extra_length)


def _check_sizes(seal: Seal) -> None:
    for name, content, most in (
        (MANIFEST, seal.manifest_bytes, MAX_MANIFEST_BYTES),
        (SIGNATURE, seal.signature or b"", _SIGNATURE_BYTES),
    ):
        if len(content) > most:
            raise BundleError(f"{name}: {len(content)} bytes, expected at most {most}")


def _assemble(seal: Seal, members: dict[str, bytes], data: bytes) -> Bundle:
    manifest = seal.manifest
    _check_members(manifest, members)
    head = head_from_bytes(members[HEAD], len(manifest.labels), manifest.backbone.features)
    if (head.classes, head.features) != (len(manifest.labels), manifest.backbone.features):
        raise BundleError(
            f"head.npz: {head.classes} classes of {head.features} features; expected {len(manifest.labels)} labels "
            f"and the {manifest.backbone.features} features of {manifest.backbone.name}"
        )
    return Bundle(manifest, head, members, _sha256(data), seal.manifest_bytes, seal.signature)


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
        _check_directory(data)
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            infos = archive.infolist()
            names = [info.filename for info in infos]
            if len(set(names)) != len(names) or any(info.compress_type != zipfile.ZIP_STORED for info in infos):
                raise BundleError("not a bundle, or truncated: expected members once each, stored and not deflated")
            if sum(info.file_size for info in infos) > len(data):
                raise BundleError("not a bundle, or truncated: its members claim more bytes than it has")
            return {info.filename: archive.read(info) for info in infos}
    except (zipfile.BadZipFile, OSError, ValueError, EOFError, NotImplementedError, RuntimeError) as error:
        if isinstance(error, BundleError):
            raise
        raise BundleError(f"not a bundle, or truncated ({error}); expected a .uncia file") from error


def _check_directory(data: bytes) -> None:
    """Raise BundleError if the zip's directory has more entries than a bundle's: zipfile would read all of it."""
    most = len(MEMBERS) + 2
    end = data[-_END.size :]
    entries = _END.unpack(end)[4] if len(end) == _END.size and end[:4] == b"PK\x05\x06" else None
    zip64 = data[-_END.size - _ZIP64_LOCATOR :][:4] == b"PK\x06\x07"
    if entries is None or entries > most or zip64:
        raise BundleError(f"not a bundle, or truncated: expected a zip of at most {most} members, without a comment")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
