"""Signs with Ed25519: a bundle, by its manifest's bytes (DESIGN 4), and statements about keys."""

from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key, load_pem_public_key

from uncia_contract.errors import DataError
from uncia_contract.files import storage_errors, write_atomic
from uncia_contract.messages.records import KeyStatement, SignedKeys
from uncia_contract.model.bundle import bundle_from_bytes, read_bundle, write_bundle


def sign_bundle(bundle: Path, key: Path, out: Path) -> None:
    """Write the bundle with a signature; an existing signature is replaced. The file's sha256 changes.

    Raises:
        BundleError: the file is not a bundle.
        DataError: the key cannot be read, or is not an Ed25519 key without a password.
        StorageError: `out` cannot be written.
    """
    found, secret = read_bundle(bundle), _private_key(key)
    unsigned = bundle_from_bytes(write_bundle(found.manifest, found.members))
    signed = write_bundle(found.manifest, found.members, secret.sign(unsigned.manifest_bytes))
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, signed)


def sign_keys(stated: KeyStatement, key: Path, out: Path) -> None:
    """Write a statement about keys, signed with a key that the traps trust now.

    Raises:
        DataError: the key cannot be read, or is not an Ed25519 key without a password.
        StorageError: `out` cannot be written.
    """
    content = msgspec.json.encode(stated)
    signed = SignedKeys(content, _private_key(key).sign(content))
    with storage_errors(out):
        out.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(out, msgspec.json.encode(signed))


def public_key_text(path: Path) -> str:
    """The text of a PEM file with an Ed25519 public key.

    Raises:
        DataError: the file cannot be read, or holds something else.
    """
    try:
        text = path.read_text("ascii")
        key = load_pem_public_key(text.encode())
    except (OSError, ValueError, UnsupportedAlgorithm) as error:
        raise DataError(f"{path}: {error}; expected a PEM file with a public key") from error
    if not isinstance(key, Ed25519PublicKey):
        raise DataError(f"{path}: expected an Ed25519 key; make one with openssl pkey -pubout")
    return text


def _private_key(path: Path) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise DataError(f"{path}: {error}; expected a PEM file with a private key and no password") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise DataError(f"{path}: expected an Ed25519 key; make one with openssl genpkey -algorithm ed25519")
    return key
