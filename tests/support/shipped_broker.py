"""Mosquitto with the shipped configuration and a station's certificates, for tests of attacks."""

import shutil
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from tests.conftest import Mosquitto

from uncia_collector.certificates.folder import CertificateFolder
from uncia_collector.certificates.identities import Identity
from uncia_contract.messages.tls import Tls

CONFIGURATION = Path(__file__).parents[2] / "systemd" / "mosquitto.conf"


class Authority:
    """A station's certificates, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = CertificateFolder(folder, datetime.now(UTC))
        self.path = folder / "ca.pem"
        self.folder.begin(["localhost"])

    def issue(self, name: str) -> Tls:
        """Certificate and key of one client; issued if it has none."""
        identity = Identity(name)
        certificate = self.folder.path / f"{identity.file}.pem"
        if not certificate.exists():
            self.folder.issue(identity)
        return Tls(self.path, certificate, certificate.with_suffix(".key"))


class ShippedBroker(Mosquitto):
    """The shipped configuration, with only its paths and its port changed. `authority` issues its certificates."""

    def __init__(self, folder: Path, authority: Authority) -> None:
        (folder / "broker").mkdir()
        super().__init__(folder / "broker")
        self.authority = authority
        text = CONFIGURATION.read_text()
        user = "user root\n"
        text = text.replace("listener 8883", f"{user}listener {self.port} 127.0.0.1")
        text = text.replace("/etc/mosquitto/certs/", f"{self.folder}/").replace(
            "/var/lib/mosquitto/", f"{self.folder}/"
        )
        self.configuration.write_text(text.replace("/etc/mosquitto/uncia.acl", f"{self.folder}/uncia.acl"))

    def start(self) -> None:
        """Start the broker with the authority's current lists."""
        self.install()
        super().start()

    def install(self) -> None:
        """Copy the lists, as the guide's `install` commands do."""
        for name in ("ca.pem", "crl.pem", "broker.pem", "broker.key", "uncia.acl"):
            shutil.copy(self.authority.folder.path / name, self.folder / name)
        (self.folder / "uncia.acl").chmod(0o600)

    @property
    def reload(self) -> str:
        """The command that makes the broker read its lists again."""
        assert self.process is not None
        return f"kill -{signal.SIGHUP} {self.process.pid}"


@contextmanager
def shipped_broker(folder: Path) -> Iterator[ShippedBroker]:
    """A running broker; its authority's folder is `certificates`."""
    broker = ShippedBroker(folder, Authority(folder / "certificates"))
    broker.start()
    try:
        yield broker
    finally:
        broker.stop()
