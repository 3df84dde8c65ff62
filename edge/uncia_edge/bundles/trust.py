"""Whose bundles a trap takes, where it was given a key (DESIGN 4: nothing unsigned, tampered or older).

Decides by an Ed25519 signature over the manifest's bytes; the manifest holds the sha256 of every member. Without a
key every whole bundle is taken, and what is put there by hand may be older.
"""

# `cryptography` is imported where a key is configured: it costs a trap 5 MB.
from pathlib import Path
from typing import TYPE_CHECKING

from uncia_contract.errors import BundleError, ConfigurationError
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_edge.bundles.last_good import FOLDER, LAST_GOOD

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey


class Trust:
    """In the holder of one key.

    Args:
        key: a PEM file with its public half; None to trust everybody.
        last_good: the bundle that proved itself last.

    Raises:
        ConfigurationError: the file is missing, or holds no Ed25519 key.
    """

    def __init__(self, key: Path | None, last_good: Path) -> None:
        self._key, self._last_good = None if key is None else _public_key(key), last_good
        self._name = "" if key is None else key.name

    def check(self, bundle: Bundle) -> None:
        """Return when the bundle may be tried.

        Raises:
            BundleError: it is unsigned, signed by somebody else, or older than the one that proved itself last.
        """
        if self._key is None:
            return
        from cryptography.exceptions import InvalidSignature

        if bundle.signature is None:
            raise BundleError(f"unsigned: expected a signature by the key of {self._name} (uncia-convert sign)")
        try:
            self._key.verify(bundle.signature, bundle.manifest_bytes)
        except InvalidSignature as error:
            raise BundleError(f"its signature is not by the key of {self._name}") from error
        self._check_age(bundle)

    def _check_age(self, bundle: Bundle) -> None:
        try:
            last = read_bundle(self._last_good).manifest
        except BundleError:
            return
        ours = bundle.manifest
        if ours.name == last.name and ours.version < last.version:
            raise BundleError(f"{ours.name} {ours.version} is older than {last.version}, which proved itself here")


def trust_of(key: str, state: Path) -> Trust:
    """As it is configured: the key's file (empty for none), and the folder that keeps what proved itself.

    Raises:
        ConfigurationError: there is no such key.
    """
    return Trust(Path(key) if key else None, state / FOLDER / LAST_GOOD)


def _public_key(path: Path) -> "Ed25519PublicKey":
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    try:
        key = load_pem_public_key(path.read_bytes())
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"bundle_key {path}: {error}; expected a PEM file with a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise ConfigurationError(f"bundle_key {path}: expected an Ed25519 key, got {type(key).__name__.lstrip('_')}")
    return key
