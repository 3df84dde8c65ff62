"""Receives a bundle that the base station offers, in pieces; assembles, tests and installs it.

Accepted is a bundle that is newer than the one in use, trusted and not denied, if the card has room for it. Members
that the bundle in use also has are not sent again, so that a new head alone takes a few kilobytes. Pieces are kept over
restarts and power cuts: they are appended in order, each with an fsync, so that the file's length says what is missing.
If a power cut damaged the end of the file, the sha256 of the whole bundle shows it.
"""

import hashlib
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE, BundleError
from uncia_contract.files import make_folder, sync_folder, write_durable
from uncia_contract.messages.byte_ranges import missing, without_first
from uncia_contract.messages.records import BundleIdentity, BundleOffer, BundlePiece, ByteRange
from uncia_contract.model.bundle import MAX_BUNDLE_BYTES, Vouch, bundle_from_bytes, read_bundle
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.bundles.loads import Loads

_NOTE, _PIECES, _CANDIDATE = "offered.json", "offered.part", "candidate.uncia"
_SPARE_BYTES = 16 * 1024**2


class _Receiving(Struct, frozen=True):
    """An offer, and which of its bytes must be sent."""

    offer: BundleOffer
    gaps: tuple[ByteRange, ...]


class Offers:
    """Receives one offered bundle at a time.

    Args:
        folder: holds the pieces.
        in_use: the bundle that is used now.
        in_use_file: a copy of it, for members that stay the same.
        installed: installs a tested bundle.
        vouch: decides whether a bundle may be read.
        prove: returns why the bundle in a file does not run here; None if it does.
    """

    def __init__(
        self,
        folder: Path,
        in_use: BundleIdentity,
        in_use_file: Path,
        installed: InstalledBundle,
        vouch: Vouch,
        prove: Callable[[Path], str | None],
    ) -> None:
        self._folder, self._in_use, self._in_use_file = folder, in_use, in_use_file
        self._installed, self._vouch, self._prove = installed, vouch, prove

    def is_in_use(self, sha256: str) -> bool:
        """Whether that bundle is in use already."""
        return sha256 == self._in_use.sha256

    def begin(self, offer: BundleOffer) -> tuple[ByteRange, ...]:
        """Start to receive an offer, or go on with it; return the missing ranges.

        Raises:
            BundleError: the bundle is denied, too large or not newer than the one in use, or there is no room for it.
            OSError: the card cannot be written.
        """
        self._check(offer)
        wanted = _Receiving(offer, missing((ByteRange(*span) for span in self._known(offer)), offer.size))
        if self._receiving() != wanted:
            self._forget()
            make_folder(self._folder)
            write_durable(self._folder / _NOTE, msgspec.json.encode(wanted))
        return without_first(wanted.gaps, self._length())

    def take(self, piece: BundlePiece) -> tuple[ByteRange, ...]:
        """Store a piece if it is the next one; return the missing ranges.

        Raises:
            BundleError: that bundle was not offered.
            OSError: the card cannot be written.
        """
        receiving = self._receiving()
        if receiving is None or receiving.offer.bundle.sha256 != piece.sha256:
            raise BundleError(f"bundle {piece.sha256[:12]} was not offered; expected an offer before its pieces")
        left = without_first(receiving.gaps, self._length())
        due = left[0] if left else ByteRange(0, 0)
        if piece.start != due.start or piece.start + len(piece.content) > due.end:
            return left
        with (self._folder / _PIECES).open("ab") as stream:
            stream.write(piece.content)
            stream.flush()
            os.fsync(stream.fileno())
        sync_folder(self._folder)
        return without_first(receiving.gaps, self._length())

    def install(self) -> BundleIdentity:
        """Assemble the offered bundle, test it, and install it for the next start.

        Raises:
            BundleError: it was damaged on its way, is no bundle, is not newer than the one in use, or does not run
                here. It must be offered again and is then sent from its first byte.
            OSError: the card cannot be written; the pieces are kept.
        """
        receiving = self._receiving()
        if receiving is None:
            raise BundleError("no bundle was offered")
        try:
            content = self._assembled(receiving)
            identity = bundle_from_bytes(content, self._vouch).identity
            self._check(msgspec.structs.replace(receiving.offer, bundle=identity))
            self._try(content)
        except BundleError:
            self._forget()
            raise
        self._installed.put(content)
        self._forget()
        return identity

    def _check(self, offer: BundleOffer) -> None:
        ours, theirs = self._in_use, offer.bundle
        Loads(self._folder).check(theirs.sha256)
        if offer.size > MAX_BUNDLE_BYTES:
            raise BundleError(f"{offer.size} bytes, expected at most {MAX_BUNDLE_BYTES}")
        if theirs.name == ours.name and theirs.version <= ours.version:
            raise BundleError(f"{theirs.name} {theirs.version} is not newer than {ours.version}, which is in use")
        free = shutil.disk_usage(self._folder.parent if not self._folder.exists() else self._folder).free
        if free < 3 * offer.size + _SPARE_BYTES:
            raise BundleError(f"{offer.size} bytes: no room on the card, which has {free} left")

    def _known(self, offer: BundleOffer) -> dict[tuple[int, int], bytes]:
        """The bytes of the parts that the bundle in use also has, by their range."""
        try:
            members = read_bundle(self._in_use_file).members.values()
        except BundleError:
            return {}
        by_hash = {hashlib.sha256(content).hexdigest(): content for content in members}
        parts = [part for part in offer.parts if part.sha256 in by_hash]
        return {
            (part.start, part.end): by_hash[part.sha256]
            for part in parts
            if part.end - part.start == len(by_hash[part.sha256])
        }

    def _assembled(self, receiving: _Receiving) -> bytes:
        whole = bytearray(receiving.offer.size)
        for (start, end), content in self._known(receiving.offer).items():
            whole[start:end] = content
        pieces = (self._folder / _PIECES).read_bytes() if receiving.gaps else b""
        for gap in receiving.gaps:
            whole[gap.start : gap.end], pieces = pieces[: gap.end - gap.start], pieces[gap.end - gap.start :]
        if hashlib.sha256(whole).hexdigest() != receiving.offer.bundle.sha256:
            raise BundleError("the bundle was damaged on its way; offer it again")
        return bytes(whole)

    def _try(self, content: bytes) -> None:
        candidate = self._folder / _CANDIDATE
        try:
            write_durable(candidate, content)
            reason = self._prove(candidate)
        finally:
            candidate.unlink(missing_ok=True)
        if reason is not None:
            raise BundleError(f"it does not run here: {reason}")

    def _receiving(self) -> _Receiving | None:
        try:
            return msgspec.json.decode((self._folder / _NOTE).read_bytes(), type=_Receiving)
        except (OSError, *UNDECODABLE):
            return None

    def _length(self) -> int:
        try:
            return (self._folder / _PIECES).stat().st_size
        except OSError:
            return 0

    def _forget(self) -> None:
        for name in (_NOTE, _PIECES):  # in this order: pieces without a note mean nothing
            (self._folder / name).unlink(missing_ok=True)
        if self._folder.is_dir():
            sync_folder(self._folder)
