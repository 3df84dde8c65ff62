"""Makes X.509 certificates and revocation lists: their fields and their dates.

The dates:
- A certificate is valid from 1970, so that a machine that lost its clock can still connect, and for 30 years from now.
- A revocation list expires with the authority, because a broker with an expired list accepts nobody.
- A newer list must have a later date: its date is 1970 plus as many seconds as its number.
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from uncia_contract.errors import ConfigurationError

FROM = datetime(1970, 1, 1, tzinfo=UTC)
YEARS = 30
EARLIEST = datetime(2026, 11, 1, tzinfo=UTC)  # a clock that shows an earlier time is wrong
AUTHORITY = "uncia base station"
_KEY_USAGES = (
    *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment", "key_agreement"),
    *("key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
)


@dataclass(frozen=True)
class Pair:
    """A certificate and its private key."""

    certificate: x509.Certificate
    key: ec.EllipticCurvePrivateKey

    @property
    def certificate_pem(self) -> bytes:
        """The certificate as PEM."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def key_pem(self) -> bytes:
        """The key as PEM, not encrypted."""
        form, plain = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        return self.key.private_bytes(serialization.Encoding.PEM, form, plain)

    @property
    def key_identifier(self) -> x509.AuthorityKeyIdentifier:
        """The identifier of this key, for certificates and lists that it signs."""
        return x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key())


def check_clock(now: datetime) -> datetime:
    """Return `now`.

    Raises:
        ConfigurationError: `now` is before `EARLIEST`: this machine's clock is wrong.
    """
    if now < EARLIEST:
        raise ConfigurationError(f"this machine's clock says {now:%Y-%m-%d}; set it, then issue certificates")
    return now


def last_day(now: datetime) -> datetime:
    """When a certificate that is issued now expires."""
    return datetime(now.year + YEARS, 1, 1, tzinfo=UTC)


def new_authority(now: datetime) -> Pair:
    """A new certificate authority, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = _name(AUTHORITY)
    builder = _builder(name, name, key.public_key(), last_day(now))
    builder = builder.add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
    builder = builder.add_extension(_usage("key_cert_sign", "crl_sign"), critical=True)
    return Pair(builder.sign(key, hashes.SHA256()), key)


def issue(authority: Pair, name: str, until: datetime, names: tuple[x509.GeneralName, ...] = ()) -> Pair:
    """A certificate with a new key, for a client; with `names` (host names, addresses) for a broker."""
    key = ec.generate_private_key(ec.SECP256R1())
    return Pair(certify(authority, key.public_key(), name, until, names), key)


def certify(
    authority: Pair,
    key: ec.EllipticCurvePublicKey,
    name: str,
    until: datetime,
    names: tuple[x509.GeneralName, ...] = (),
) -> x509.Certificate:
    """A certificate for the public key of an owner that keeps the private key; see `issue`."""
    purpose = ExtendedKeyUsageOID.SERVER_AUTH if names else ExtendedKeyUsageOID.CLIENT_AUTH
    builder = _builder(authority.certificate.subject, _name(name), key, until)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(_usage("digital_signature"), critical=True)
    builder = builder.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    builder = builder.add_extension(authority.key_identifier, critical=False)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(authority.key, hashes.SHA256())


def revocation_list(authority: Pair, serials: dict[int, datetime], number: int) -> bytes:
    """Revocation list number `number` as PEM; `serials` gives the time of revocation of each serial number."""
    builder = x509.CertificateRevocationListBuilder().issuer_name(authority.certificate.subject)
    builder = builder.last_update(FROM + timedelta(seconds=number))
    builder = builder.next_update(authority.certificate.not_valid_after_utc)
    builder = builder.add_extension(x509.CRLNumber(number), critical=False)
    builder = builder.add_extension(authority.key_identifier, critical=False)
    for serial, at in serials.items():
        entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(at)
        builder = builder.add_revoked_certificate(entry.build())
    return builder.sign(authority.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def common_name(certificate: x509.Certificate) -> str:
    """The common name of a certificate's subject."""
    return str(certificate.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _builder(
    issuer: x509.Name, subject: x509.Name, key: ec.EllipticCurvePublicKey, until: datetime
) -> x509.CertificateBuilder:
    builder = x509.CertificateBuilder().issuer_name(issuer).subject_name(subject).public_key(key)
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(FROM).not_valid_after(until)
    return builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)


def _usage(*used: str) -> x509.KeyUsage:
    return x509.KeyUsage(**{usage: usage in used for usage in _KEY_USAGES})
