"""Renews the trap's certificate over MQTT; the key is made on the trap and never leaves it.

Decides which certificate the trap uses: the renewed one, as long as the configured file is the one that it replaced.
If a person replaces the configured file, that file is used. Certificate and key are in one file, so that a power cut
leaves both or neither.
"""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from uncia_contract.errors import MessageError
from uncia_contract.files import make_folder, private_files, write_durable
from uncia_edge.settings import BrokerSettings, TrapSettings

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

FOLDER, RENEWED, NEW_KEY = "identity", "renewed.pem", "new.key"


class Renewal:
    """The renewed certificate of one trap, in a folder of its state."""

    def __init__(self, folder: Path, trap: str, configured: BrokerSettings) -> None:
        self._folder, self._trap, self._configured = folder, trap, configured

    @property
    def broker(self) -> BrokerSettings:
        """The broker's settings with the certificate that the trap uses now."""
        path = self._folder / RENEWED
        try:
            replaced = path.read_text().split("\n", 1)[0].removeprefix("# replaces ")
            if replaced != self._of_configured():
                return self._configured
        except (OSError, UnicodeDecodeError):
            return self._configured
        return msgspec.structs.replace(self._configured, certificate=str(path), key=str(path))

    def request(self) -> str:
        """Return a certificate request (PEM). Its key is made now, or is that of an earlier request.

        Raises:
            OSError: the card cannot be written.
        """
        # `cryptography` is imported only when it is used, because it takes 5 MB of memory.
        from cryptography import x509
        from cryptography.hazmat.primitives import hashes, serialization
        from cryptography.hazmat.primitives.asymmetric import ec
        from cryptography.x509.oid import NameOID

        path = self._folder / NEW_KEY
        if not path.exists():
            form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            key = ec.generate_private_key(ec.SECP256R1())
            self._write(path, key.private_bytes(serialization.Encoding.PEM, form, plain))
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, self._trap)])
        builder = x509.CertificateSigningRequestBuilder().subject_name(name)
        return builder.sign(self._key(), hashes.SHA256()).public_bytes(serialization.Encoding.PEM).decode()

    def install(self, pem: str) -> None:
        """Store a certificate for the key of the last request; it is used from the next start.

        Raises:
            MessageError: it is not signed by our authority, or not for this trap or that key.
            OSError: the card cannot be read or written.
        """
        from cryptography import x509
        from cryptography.exceptions import InvalidSignature

        try:
            certificate = x509.load_pem_x509_certificate(pem.encode())
            certificate.verify_directly_issued_by(
                x509.load_pem_x509_certificate(Path(self._configured.ca).read_bytes())
            )
        except (ValueError, TypeError, InvalidSignature) as error:
            raise MessageError(f"no certificate by the authority in {self._configured.ca}") from error
        if certificate.public_key() != self._key().public_key():
            raise MessageError("the certificate is for another key; ask for a request again")
        if certificate.subject.rfc4514_string() != f"CN={self._trap}":
            raise MessageError(
                f"the certificate is for {certificate.subject.rfc4514_string()}, expected CN={self._trap}"
            )
        key, head = (self._folder / NEW_KEY).read_bytes(), f"# replaces {self._of_configured()}\n".encode()
        self._write(self._folder / RENEWED, head + pem.encode() + key)
        (self._folder / NEW_KEY).unlink()

    def _key(self) -> "EllipticCurvePrivateKey":
        from cryptography.hazmat.primitives import serialization
        from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

        key = serialization.load_pem_private_key((self._folder / NEW_KEY).read_bytes(), password=None)
        if not isinstance(key, EllipticCurvePrivateKey):
            raise MessageError(f"{NEW_KEY}: not the key that this trap made")
        return key

    def _of_configured(self) -> str:
        return hashlib.sha256(Path(self._configured.certificate).read_bytes()).hexdigest()

    def _write(self, path: Path, content: bytes) -> None:
        with private_files():
            make_folder(self._folder)
            write_durable(path, content)


def renewal_of(settings: TrapSettings) -> Renewal:
    """The renewal of a configured trap, in its state folder."""
    return Renewal(Path(settings.state) / FOLDER, settings.trap, settings.broker)
