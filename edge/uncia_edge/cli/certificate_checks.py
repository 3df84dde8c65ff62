"""The checks of `uncia-trap doctor` on certificates and key: valid, matching each other, and for this trap.

Decides how many days before its end a certificate gets a warning.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from uncia_edge.cli.trap_checks import Line
from uncia_edge.settings import TrapSettings

_SOON_DAYS = 60
_FROM_BASE = "copy it again from the base station"
CREDENTIALS = ("/", "run", "credentials")  # systemd puts the files of LoadCredential there


def lines(settings: TrapSettings, now: datetime) -> Iterator[Line]:
    """Yield a line for each file that the configuration names."""
    broker = settings.broker
    for name, path in (("ca", broker.ca), ("certificate", broker.certificate)):
        if path:
            yield certificate_line(name, Path(path), now)
    if broker.certificate:
        yield from name_lines(Path(broker.certificate), settings.trap)
    if broker.key:
        yield key_line(Path(broker.key), Path(broker.certificate))


def name_lines(path: Path, trap: str) -> Iterator[Line]:
    """Check that the certificate's common name is the trap's id, by which the broker's access list identifies it."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (OSError, ValueError):
        return  # `certificate_line` reports it
    name = str(found[0].value) if found else ""
    if name == trap:
        yield Line("certificate (name)", "ok", f"{path.name} is for {trap}")
        return
    yield Line(
        "certificate (name)",
        "failed",
        f"{path.name} is for {name or 'nobody'}, but this trap is {trap}: the broker refuses everything it sends",
        f'set trap = "{name}" in trap.toml, or copy the certificate and key of {trap} from the base station',
    )


def certificate_line(name: str, path: Path, now: datetime) -> Line:
    """Check whether a PEM certificate is valid now and for the next 60 days."""
    from cryptography import x509  # imported here, because it takes 8 MB that the running trap does not need

    part = f"certificate ({name})"
    try:
        certificate = x509.load_pem_x509_certificate(path.read_bytes())
    except (OSError, ValueError) as error:
        return _unreadable(part, path, "PEM certificate", error)
    begins, ends = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    days = (ends - now).days
    if not begins <= now <= ends:
        return Line(
            part,
            "failed",
            f"{path.name}: valid from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}",
            "check the clock first; then renew the certificate",
        )
    soon = days < _SOON_DAYS
    return Line(
        part, "warning" if soon else "ok", f"{path.name}: {days} days left", "renew it before you leave" if soon else ""
    )


def key_line(key: Path, certificate: Path) -> Line:
    """Check that the trap's private key can be read and belongs to its certificate."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        public = load_pem_private_key(key.read_bytes(), None).public_key()
    except (OSError, ValueError, TypeError) as error:
        return _unreadable("key", key, "PEM private key without a password", error)
    try:
        belongs = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key() == public
    except (OSError, ValueError):
        belongs = False
    if not belongs:
        return Line("key", "failed", f"{key.name} is not the key of {certificate.name}", _FROM_BASE)
    return Line("key", "ok", f"{key.name} belongs to {certificate.name}")


def _unreadable(part: str, path: Path, expected: str, error: Exception) -> Line:
    why = error.strerror if isinstance(error, OSError) else f"no {expected}"
    return Line(part, "failed", f"{path}: {why}", _remedy_of(path, error))


def _remedy_of(path: Path, error: Exception) -> str:
    if isinstance(error, PermissionError):
        return "run doctor as root"
    if path.parts[:3] == CREDENTIALS:
        return "systemd gives it only to the running service: systemctl start uncia-trap, then run doctor again"
    return _FROM_BASE
