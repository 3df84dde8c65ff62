"""The authority's folder: `ca.pem`, `ca.key`, a certificate and key for each identity, `crl.pem`, `uncia.acl`.

Decides which certificates are issued, renewed or refused. `issued.txt` (OpenSSL's index format, as in release 0.1)
lists a certificate before its file is written, so that every certificate that exists can be revoked.
"""

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import msgspec
from cryptography import x509
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from uncia_collector.certificates import authority, identities
from uncia_collector.certificates.authority import Pair
from uncia_collector.certificates.identities import Identity
from uncia_contract.errors import DataError
from uncia_contract.files import storage_errors, sync_folder, write_durable

ISSUED, REVOKED = "issued.txt", "crl.pem"


class Issued(msgspec.Struct, frozen=True):
    """A line of `issued.txt`: one issued certificate."""

    name: str
    serial: int
    until: datetime
    revoked_at: datetime | None = None


class CertificateFolder:
    """The folder with one station's certificates.

    Args:
        path: the folder.
        now: the current time; it is checked before anything is signed.
    """

    def __init__(self, path: Path, now: datetime) -> None:
        self.path, self.now = path, now

    def begin(self, names: list[str]) -> list[Identity]:
        """Issue the certificates that a station needs and does not have yet; return their identities.

        Raises:
            DataError: the broker has no name, or a file holds the certificate of another identity.
            ConfigurationError: the clock is wrong.
        """
        authority.check_clock(self.now)
        needed = [Identity(name) for name in (identities.COLLECTOR, identities.CHECK, identities.ASK)]
        if names or not (self.path / "broker.pem").exists():
            needed.insert(0, identities.broker(names))
        with storage_errors(self.path):
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            if not (self.path / "ca.pem").exists():
                self._write("ca", authority.new_authority(self.now))
        missing = [identity for identity in needed if not self._has(identity)]
        for identity in missing:
            self._issue(identity)
        self.write_lists()
        return missing

    def issue(self, identity: Identity) -> None:
        """Issue a certificate for an identity that has no valid one.

        Raises:
            DataError: the identity has a valid certificate.
            ConfigurationError: the clock is wrong.
        """
        authority.check_clock(self.now)
        if valid := self._valid(identity.name):
            until = max(entry.until for entry in valid)
            raise DataError(f"{identity.name} has a certificate until {until:%Y-%m-%d}; renew it, or revoke it first")
        self._issue(identity)
        self.write_lists()

    def renew(self, name: str) -> None:
        """Issue one more certificate for a name; the earlier ones stay valid until they are revoked.

        Raises:
            DataError: the name has no valid certificate.
            ConfigurationError: the clock is wrong.
        """
        authority.check_clock(self.now)
        if name == identities.BROKER:
            self._issue(Identity(name, self._broker_names()))
            return
        self._check_valid(name)
        self._issue(Identity(name))

    def renew_for(self, name: str, request: bytes) -> bytes:
        """Issue one more certificate for a name from the owner's certificate request; return it as PEM.

        Raises:
            DataError: the name has no valid certificate, or the request is invalid or for another name.
            ConfigurationError: the clock is wrong.
        """
        authority.check_clock(self.now)
        self._check_valid(name)
        try:
            asked = x509.load_pem_x509_csr(request)
        except ValueError as error:
            raise DataError(f"{name}: its answer is not a certificate request ({error})") from error
        key, who = asked.public_key(), asked.subject.rfc4514_string()
        if not (asked.is_signature_valid and isinstance(key, ec.EllipticCurvePublicKey) and who == f"CN={name}"):
            raise DataError(f"{name}: its request is for {who}, or not signed by its own key")
        until = authority.last_day(self.now)
        certificate = authority.certify(self.pair("ca"), key, name, until)
        self._register([*self.entries(), Issued(name, certificate.serial_number, until)])
        return certificate.public_bytes(serialization.Encoding.PEM)

    def revoke(self, names: Iterable[str], older: bool = False) -> int:
        """Mark the certificates of these names as revoked; return how many. With `older` keep the newest of each name.

        Raises:
            DataError: no certificate was issued for one of the names.
        """
        entries, serials = self.entries(), set[int]()
        for name in names:
            valid = self._valid(self.known(name))
            serials |= {entry.serial for entry in (valid[:-1] if older else valid)}
        self._register(
            msgspec.structs.replace(entry, revoked_at=self.now) if entry.serial in serials else entry
            for entry in entries
        )
        return len(serials)

    def entries(self) -> list[Issued]:
        """Every certificate that this authority issued, oldest first."""
        path = self.path / ISSUED
        if not path.exists():
            return []
        return [_entry(path, line) for line in self._read(ISSUED).decode().splitlines() if line]

    def known(self, name: str) -> str:
        """Return `name`.

        Raises:
            DataError: no certificate was issued for it.
        """
        names = sorted({entry.name for entry in self.entries()} - {authority.AUTHORITY})
        if name not in names and name != identities.BROKER:
            raise DataError(f"{name!r}: no certificate was issued for it; there are {', '.join(names) or 'none yet'}")
        return name

    def broker_host(self) -> str:
        """The first name in the broker's certificate."""
        return str(self._broker_names()[0].value)

    def pair(self, name: str) -> Pair:
        """The certificate and key of a file name: `ca` for the authority, `broker`, `collector`, ...

        Raises:
            DataError: a file is missing or damaged.
        """
        certificate = self._certificate(name)
        try:
            key = serialization.load_pem_private_key(self._read(f"{name}.key"), password=None)
        except ValueError as error:
            raise DataError(f"{self.path}/{name}.key: no PEM key ({error})") from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise DataError(f"{self.path}/{name}.key: expected an elliptic-curve key")
        return Pair(certificate, key)

    def write_lists(self, more: Iterable[int] = ()) -> bytes:
        """Write the access list and the revocation list; return the revocation list as PEM.

        `more` are serials that the list names beside the revoked certificates.
        """
        entries = self.entries()
        revoked = {entry.serial: entry.revoked_at for entry in entries if entry.revoked_at}
        names = [entry.name for entry in entries if entry.revoked_at is None]
        content = authority.revocation_list(
            self.pair("ca"), revoked | dict.fromkeys(more, self.now), self._last_list() + 1
        )
        with storage_errors(self.path):
            write_durable(self.path / REVOKED, content)
            write_durable(self.path / identities.ACCESS_LIST, identities.access_list(names).encode())
        return content

    # -- inside ----------------------------------------------------------------------------------------------------

    def _valid(self, name: str) -> list[Issued]:
        return [entry for entry in self.entries() if entry.name == name and entry.revoked_at is None]

    def _check_valid(self, name: str) -> None:
        if not self._valid(self.known(name)):
            raise DataError(f"{name} has no valid certificate; issue one")

    def _has(self, identity: Identity) -> bool:
        path = self.path / f"{identity.file}.pem"
        if not path.exists():
            return False
        if identity.name == identities.BROKER:
            return set(identity.names) == set(self._broker_names())
        found = authority.common_name(self._certificate(identity.file))
        if found != identity.name:
            raise DataError(
                f"{path}: is the certificate of {found}, expected {identity.name}; move it and its key elsewhere"
            )
        return True

    def _broker_names(self) -> tuple[x509.GeneralName, ...]:
        extensions = self._certificate("broker").extensions
        return tuple(extensions.get_extension_for_class(x509.SubjectAlternativeName).value)

    def _certificate(self, name: str) -> x509.Certificate:
        try:
            return x509.load_pem_x509_certificate(self._read(f"{name}.pem"))
        except ValueError as error:
            raise DataError(f"{self.path}/{name}.pem: no PEM certificate ({error})") from error

    def _issue(self, identity: Identity) -> None:
        pair = authority.issue(self.pair("ca"), identity.name, authority.last_day(self.now), identity.names)
        until = pair.certificate.not_valid_after_utc
        self._register([*self.entries(), Issued(identity.name, pair.certificate.serial_number, until)])
        with storage_errors(self.path):
            self._write(identity.file, pair)

    def _write(self, name: str, pair: Pair) -> None:
        for ending, content, mode in (("key", pair.key_pem, 0o600), ("pem", pair.certificate_pem, 0o644)):
            temporary = self.path / f".{name}.{ending}"
            temporary.unlink(missing_ok=True)
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            temporary.chmod(mode)
        for ending in ("key", "pem"):
            (self.path / f".{name}.{ending}").replace(self.path / f"{name}.{ending}")
        sync_folder(self.path)

    def _register(self, entries: Iterable[Issued]) -> None:
        with storage_errors(self.path):
            write_durable(self.path / ISSUED, "".join(map(_line, entries)).encode())

    def _last_list(self) -> int:
        path = self.path / REVOKED
        if not path.exists():
            return 0
        found = x509.load_pem_x509_crl(path.read_bytes())
        return found.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    def _read(self, name: str) -> bytes:
        try:
            return (self.path / name).read_bytes()
        except OSError as error:
            advice = "is it the folder of `certificates init`?"
            raise DataError(f"{self.path / name}: {error.strerror}; {advice}") from error


def _line(entry: Issued) -> str:
    """Status, expiry, revocation, serial, file, subject: https://docs.openssl.org/3.0/man1/openssl-ca/."""
    revoked = f"{entry.revoked_at:%Y%m%d%H%M%SZ}" if entry.revoked_at else ""
    serial = f"{entry.serial:X}"
    return (
        f"{'R' if revoked else 'V'}\t{entry.until:%Y%m%d%H%M%SZ}\t{revoked}\t{'0' * (len(serial) % 2)}{serial}"
        f"\tunknown\t/CN={entry.name}\n"
    )


def _entry(path: Path, line: str) -> Issued:
    try:
        _, until, revoked, serial, _, subject = line.split("\t")
        name = subject.removeprefix("/CN=")
        return Issued(name, int(serial, 16), _time(until), _time(revoked.split(",")[0]) if revoked else None)
    except ValueError as error:
        raise DataError(f"{path}: {line[:60]!r}: expected a line of OpenSSL's index of certificates") from error


def _time(text: str) -> datetime:
    """The time in a text of the index: YYMMDDHHMMSSZ for years up to 2049, else YYYYMMDDHHMMSSZ."""
    form = "%y%m%d%H%M%SZ" if len(text) == 13 else "%Y%m%d%H%M%SZ"
    return datetime.strptime(text, form).replace(tzinfo=UTC)
