"""The checks of `uncia-trap doctor` on certificates and key: whether they hold, belong together, and are this trap's.

Decides how soon is too soon for one to end.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from uncia_edge.cli.trap_checks import Line
from uncia_edge.settings import TrapSettings

_SOON_DAYS = 60
_FROM_BASE = "copy it anew from the base station"
CREDENTIALS = ("/", "run", "credentials")  # where systemd puts what LoadCredential names


def lines(settings: TrapSettings, now: datetime) -> Iterator[Line]:
    """A line for each file that the configuration names."""
    broker = settings.broker
    for name, path in (("ca", broker.ca), ("certificate", broker.certificate)):
        if path:
            yield certificate_line(name, Path(path), now)
    if broker.certificate:
        yield from name_lines(Path(broker.certificate), settings.trap)
    if broker.key:
        yield key_line(Path(broker.key), Path(broker.certificate))


def name_lines(path: Path, trap: str) -> Iterator[Line]:
    """Whether the certificate's common name is the trap's id: the broker's access list knows a trap by it."""
    from cryptography import x509
    from cryptography.x509.oid import NameOID

    try:
        found = x509.load_pem_x509_certificate(path.read_bytes()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    except (OSError, ValueError):
        return  # `certificate_line` says so
    name = str(found[0].value) if found else ""
    if name == trap:
        yield Line("certificate (name)", "ok", f"{path.name} is {trap}'s")
        return
    yield Line(
        "certificate (name)",
        "failed",
        f"{path.name} is {name or 'nobody'}'s, and this trap is {trap}: the broker refuses all that it sends",
        f'set trap = "{name}" in trap.toml, or copy the certificate and key of {trap} from the base station',
    )


def certificate_line(name: str, path: Path, now: datetime) -> Line:
    """Whether a PEM certificate holds now and for a while."""
    from cryptography import x509  # 8 MB that the running trap has no use for

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
            f"{path.name}: holds from {begins:%Y-%m-%d} to {ends:%Y-%m-%d}",
            "check the clock first; then renew the certificate",
        )
    soon = days < _SOON_DAYS
    return Line(
        part, "warning" if soon else "ok", f"{path.name}: {days} days left", "renew it before you leave" if soon else ""
    )


def key_line(key: Path, certificate: Path) -> Line:
    """Whether the trap's private key is there, and the one of its certificate."""
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
        return "ask as root"
    if path.parts[:3] == CREDENTIALS:
        return "systemd gives it to the running service alone: systemctl start uncia-trap, then ask again"
    return _FROM_BASE
