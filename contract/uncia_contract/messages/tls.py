"""Mutual TLS: the base station's authority, and the certificate and key with which a machine connects to the broker.

Decides what a TLS connection to the broker requires. `uncia-collect certificates` makes the certificates.
"""

import ssl
from dataclasses import dataclass
from pathlib import Path

from uncia_contract.errors import ConfigurationError


@dataclass(frozen=True)
class Tls:
    """The base station's authority, and this machine's certificate and key (PEM files)."""

    authority: Path
    certificate: Path | None = None
    key: Path | None = None

    def context(self) -> ssl.SSLContext:
        """An SSL context: TLS 1.2 or newer, checks the broker's name, presents this machine's certificate.

        Raises:
            ConfigurationError: a file cannot be read or is not a certificate or key.
        """
        files = [file for file in (self.authority, self.certificate, self.key) if file is not None]
        for file in files:
            _check_readable(file)
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.authority))
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"[broker] {', '.join(map(str, files))}: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _check_readable(file: Path) -> None:
    """Raise a ConfigurationError if the file cannot be opened; OpenSSL's own error would not name the file."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"[broker] {file}: {error.strerror}") from error


def tls_of(ca: str, certificate: str, key: str) -> Tls | None:
    """The TLS files of a configuration; None (no TLS) where `ca` is empty. `key` is used only with a certificate."""
    if not ca:
        return None
    return Tls(Path(ca), *((Path(certificate), Path(key)) if certificate else (None, None)))
