"""A bundle signed by its maker: Ed25519 over the manifest's bytes, which hold the sha256 of every member (DESIGN 4)."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from uncia_contract.errors import DataError
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.model.bundle import bundle_from_bytes, read_bundle, write_bundle


def sign_bundle(bundle: Path, key: Path, out: Path) -> None:
    """Write the bundle with its signature; one that it had is replaced. The file's sha256 becomes another.

    Raises:
        BundleError: no bundle.
        DataError: the key cannot be read or is no Ed25519 key without a password.
        StorageError: `out` cannot be written.
    """
    found, secret = read_bundle(bundle), _private_key(key)
    unsigned = bundle_from_bytes(write_bundle(found.manifest, found.members))
    signed = write_bundle(found.manifest, found.members, secret.sign(unsigned.manifest_bytes))
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, signed)


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DataError(f"{path}: {error}; expected a PEM file with a private key and no password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path}: expected an Ed25519 key; make one with openssl genpkey -algorithm ed25519")
    return key
