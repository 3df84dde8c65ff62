"""The keys that a trap trusts: an active and a spare one, and the signed statements that replaced them.

The configured keys are valid first. A statement that is signed by a valid key names the next two keys; its serial is
one more than that of the last one. Statements are stored in order, and checked at every start, beginning with the
configured keys. So other keys in trap.toml make all earlier statements invalid.
"""

# `cryptography` is imported only if a key is configured, because it takes 5 MB of memory.
import hashlib
import logging
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from uncia_contract.errors import UNDECODABLE, BundleError, ConfigurationError
from uncia_contract.files import make_folder, write_durable
from uncia_contract.messages.records import KeyStatement, SignedKeys

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_log = logging.getLogger(__name__)

KEYS = "keys.json"


class TrustedKeys:
    """The keys that are valid now.

    Args:
        configured: PEM files with public keys: the active one, and perhaps the spare one.
        kept: the file of the statements that replaced them.

    Raises:
        ConfigurationError: a file is missing, or has no Ed25519 key.
    """

    def __init__(self, configured: tuple[Path, ...], kept: Path) -> None:
        self._kept, self._statements, self.serial = kept, list[SignedKeys](), 0
        self._names = ", ".join(path.name for path in configured)
        self._keys = _by_fingerprint([_configured_key(path) for path in configured])
        for signed in _read_statements(kept):
            try:
                self._follow(signed)
            except BundleError as error:
                _log.warning("%s: ignored a statement about keys that does not follow from bundle_key: %s", kept, error)
                break

    @property
    def fingerprints(self) -> tuple[str, ...]:
        """The fingerprints of the valid keys, the active one first: 16 hexadecimal digits of each key's sha256."""
        return tuple(self._keys)

    def signer(self, signature: bytes, content: bytes) -> str:
        """The fingerprint of the valid key that signed `content`.

        Raises:
            BundleError: no valid key signed it.
        """
        from cryptography.exceptions import InvalidSignature

        for fingerprint, key in self._keys.items():
            try:
                key.verify(signature, content)
            except InvalidSignature:
                continue
            return fingerprint
        expected = self._names if not self.serial else f"statement {self.serial}"
        raise BundleError(f"the signature is not by the key of {expected}")

    def replace(self, signed: SignedKeys) -> None:
        """Replace the valid keys by those of a statement.

        Raises:
            BundleError: it is not signed by a valid key, has no usable keys, or has not the next serial.
            OSError: the card cannot be written; nothing has changed.
        """
        before = (self._keys, self._statements, self.serial)
        self._follow(signed)
        try:
            make_folder(self._kept.parent)
            write_durable(self._kept, msgspec.json.encode(self._statements))
        except OSError:
            self._keys, self._statements, self.serial = before
            raise

    def _follow(self, signed: SignedKeys) -> None:
        self.signer(signed.signature, signed.statement)
        try:
            stated = msgspec.json.decode(signed.statement, type=KeyStatement)
            keys = [_public_key(pem.encode()) for pem in (stated.active, stated.spare) if pem]
        except (*UNDECODABLE, BundleError) as error:
            raise BundleError(f"statement about keys: {error}") from error
        if stated.serial != self.serial + 1:
            raise BundleError(f"statement about keys {stated.serial}: expected the next one, {self.serial + 1}")
        self._keys, self.serial = _by_fingerprint(keys), stated.serial
        self._statements = [*self._statements, signed]


def _read_statements(path: Path) -> list[SignedKeys]:
    if not path.exists():
        return []
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[SignedKeys])
    except (OSError, *UNDECODABLE) as error:
        _log.error("%s: cannot be read (%s); the configured keys are used until statements are sent again", path, error)
        return []


def _by_fingerprint(keys: "list[Ed25519PublicKey]") -> "dict[str, Ed25519PublicKey]":
    return {hashlib.sha256(key.public_bytes_raw()).hexdigest()[:16]: key for key in keys}


def _configured_key(path: Path) -> "Ed25519PublicKey":
    try:
        return _public_key(path.read_bytes())
    except (OSError, BundleError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise ConfigurationError(f"bundle_key {path}: {why}; expected a PEM file with a public key") from error


def _public_key(pem: bytes) -> "Ed25519PublicKey":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(pem)
    except (ValueError, UnsupportedAlgorithm) as error:
        raise BundleError(str(error)) from error
    if not isinstance(key, Ed25519PublicKey):
        raise BundleError(f"expected an Ed25519 key, got {type(key).__name__.lstrip('_')}")
    return key
