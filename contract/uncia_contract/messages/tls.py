"""Whom a machine believes that it talks to, and how it shows who it is: mutual TLS with the base station's authority.

Decides what a connection to the broker must fulfil; certificates come from `uncia-collect certificates`.
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
        """TLS 1.2 or newer, the broker's name checked, our certificate shown.

        Raises:
            ConfigurationError: a file is missing or is not what it should be.
        """
        files = [file for file in (self.authority, self.certificate, self.key) if file is not None]
        for file in files:
            _look_at(file)
        try:
            context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, cafile=str(self.authority))
            if self.certificate is not None:
                context.load_cert_chain(self.certificate, self.key)
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(f"[broker] {', '.join(map(str, files))}: {error}") from error
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        return context


def _look_at(file: Path) -> None:
    """OpenSSL's errors do not say which file it was."""
    try:
        file.open("rb").close()
    except OSError as error:
        raise ConfigurationError(f"[broker] {file}: {error.strerror}") from error


def tls_of(ca: str, certificate: str, key: str) -> Tls | None:
    """What a configuration's three file names ask for; None for no TLS."""
    if not ca:
        return None
    return Tls(Path(ca), *((Path(certificate), Path(key)) if certificate else (None, None)))
