"""`uncia-collect setup`: make this machine a base station (certificates, broker, collector) and pack what traps need.

Decides which file goes where. It asks for values that no flag gave, and leaves existing certificates and an existing
collector.toml unchanged. It may be run again, for example for one more trap.
"""

import argparse
import re
import sys
from datetime import UTC, datetime
from pathlib import Path

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.people import People
from uncia_collector.certificates import identities
from uncia_collector.certificates.folder import CertificateFolder
from uncia_collector.cli.user import read_password
from uncia_collector.settings import read_settings
from uncia_contract.cli.installation import STATION, Installation, asked, shipped, toml_string
from uncia_contract.errors import DataError

CONFIGURATION = "/etc/uncia/collector.toml"
PORT = 8883
_KEY = "/run/credentials/uncia-collector.service/key"
_PROGRAMS = ("collector", "check", "ask")
_TOML = f"""data = "/var/lib/uncia-collector"
bundles = "bundles"
[broker]
host = "{{host}}"
port = {PORT}
ca = "ca.pem"
certificate = "collector.pem"
key = "{_KEY}"
check_certificate = "check.pem"
check_key = "check.key"
ask_certificate = "ask.pem"
ask_key = "ask.key"
"""


def add_setup(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `setup`."""
    command.add_argument(
        "--name", action="append", metavar="NAME", help="a name or address of this machine; traps use the first"
    )
    command.add_argument("--trap", action="append", default=[], metavar="ID", help="pack what this trap needs")
    command.add_argument("--bundle", type=Path, metavar="FILE", help="the bundle of the traps; the page needs it, too")
    command.add_argument("--user", metavar="NAME", help="an administrator of the page, to be added")
    command.add_argument(
        "--password-file", type=Path, metavar="FILE", help="holds the password in its first line (default: asked for)"
    )
    command.add_argument(
        "--certificates",
        type=Path,
        default=Path("/root/certificates"),
        metavar="DIR",
        help="folder of the authority (/root/certificates)",
    )
    command.add_argument(
        "--pack",
        type=Path,
        default=Path("/root"),
        metavar="DIR",
        help="where the folders for traps are written (/root)",
    )
    command.add_argument("--dry-run", action="store_true", help="only print what would be done")
    command.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="root folder of an image; nothing is started"
    )
    command.set_defaults(run=run_setup)


def run_setup(arguments: argparse.Namespace) -> int:
    """Make the base station, print a line for each step, return 0.

    Raises:
        ConfigurationError: a value is missing and there is no terminal to ask at.
        DataError: a file cannot be read.
    """
    names = arguments.name or [asked(None, "name or address that traps call this machine by", "--name")]
    machine, folder = Installation(arguments.dry_run, arguments.root), arguments.certificates
    _certificates(arguments, names)
    if arguments.dry_run and not (folder / "ca.pem").exists():
        print(f"then the broker's and the collector's files, from {folder}")
        return 0
    _broker(machine, folder)
    _collector(machine, folder, names[0], arguments.bundle)
    for trap in arguments.trap:
        _pack(machine, arguments, trap, names[0])
    _start(machine)
    if arguments.user and not arguments.dry_run:
        _administrator(machine, arguments.user, arguments.password_file)
    for trap in arguments.trap:
        print(f"carry {arguments.pack}/uncia-{trap} to {trap}, and run there: uncia-trap setup --from uncia-{trap}")
    return 0


def _certificates(arguments: argparse.Namespace, names: list[str]) -> None:
    """Make the certificates that are missing."""
    folder = CertificateFolder(arguments.certificates, datetime.now(UTC))
    if arguments.dry_run:
        print(f"certificates of {', '.join(['the station', *arguments.trap])} in {folder.path}, where they are missing")
        return
    needed = ("ca.pem", "broker.pem", "crl.pem", identities.ACCESS_LIST, *(f"{name}.pem" for name in _PROGRAMS))
    if not all((folder.path / name).exists() for name in needed):  # `begin` also signs a new crl.pem: only when needed
        for identity in folder.begin([] if (folder.path / "broker.pem").exists() else names):
            print(f"{'issue':9} {folder.path}/{identity.file}.pem")
    for trap in arguments.trap:
        if not (folder.path / f"{trap}.pem").exists():
            folder.issue(identities.trap(trap))
            print(f"{'issue':9} {folder.path}/{trap}.pem")


def _broker(machine: Installation, folder: Path) -> None:
    of_debian = machine.place("/etc/mosquitto/mosquitto.conf")
    if of_debian.is_file():  # remove its lines on persistence: uncia.conf sets the same keys
        kept = re.sub(rb"(?m)^persistence.*\n?", b"", of_debian.read_bytes())
        machine.write("/etc/mosquitto/mosquitto.conf", kept)
    machine.write("/etc/mosquitto/conf.d/uncia.conf", shipped("mosquitto.conf"))
    machine.write("/etc/mosquitto/uncia.acl", _read(folder / identities.ACCESS_LIST), 0o400, "mosquitto")
    for name in ("ca.pem", "crl.pem", "broker.pem", "broker.key"):
        machine.write(f"/etc/mosquitto/certs/{name}", _read(folder / name), 0o400, "mosquitto")
    machine.write("/usr/local/sbin/uncia-broker-database", shipped("uncia-broker-database"), 0o755)
    machine.write("/etc/systemd/system/mosquitto.service.d/uncia.conf", shipped("mosquitto-uncia.conf"))


def _collector(machine: Installation, folder: Path, host: str, bundle: Path | None) -> None:
    machine.write("/etc/uncia/ca.pem", _read(folder / "ca.pem"))
    for name in _PROGRAMS:
        machine.write(f"/etc/uncia/{name}.pem", _read(folder / f"{name}.pem"))
        machine.write(f"/etc/uncia/{name}.key", _read(folder / f"{name}.key"), 0o600)
    if bundle is not None:
        machine.write(f"/etc/uncia/bundles/{bundle.name}", _read(bundle))
    machine.keep(CONFIGURATION, _TOML.format(host=host).encode())
    credential = b"[Service]\nLoadCredential=key:/etc/uncia/collector.key\n"
    machine.write("/etc/systemd/system/uncia-collector.service.d/key.conf", credential)
    machine.write("/etc/systemd/system/uncia-collector.service", shipped("uncia-collector.service"))
    machine.link("/usr/local/bin/uncia-collect", str(Path(sys.prefix) / "bin" / "uncia-collect"))


def _pack(machine: Installation, arguments: argparse.Namespace, trap: str, host: str) -> None:
    """Write the folder that somebody carries to the trap."""
    target, folder, bundle = f"{arguments.pack}/uncia-{trap}", arguments.certificates, arguments.bundle
    machine.write(f"{target}/ca.pem", _read(folder / "ca.pem"))
    if not (arguments.dry_run and not (folder / f"{trap}.pem").exists()):
        machine.write(f"{target}/{trap}.pem", _read(folder / f"{trap}.pem"))
        machine.write(f"{target}/{trap}.key", _read(folder / f"{trap}.key"), 0o600)
    if bundle is not None:
        machine.write(f"{target}/{bundle.name}", _read(bundle))
    name = toml_string(bundle.name if bundle else "")
    told = f'trap = "{trap}"\nhost = "{host}"\nport = {PORT}\nbundle = {name}\n'
    machine.write(f"{target}/{STATION}", told.encode())


def _start(machine: Installation) -> None:
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--quiet", "mosquitto", "uncia-collector")
    machine.run("systemctl", "restart" if machine.changed else "start", "mosquitto", "uncia-collector")


def _administrator(machine: Installation, name: str, password_file: Path | None) -> None:
    """Add an administrator. Runs after the service has made the catalogue, so that the service owns the file."""
    database = Database(read_settings(machine.place(CONFIGURATION)).database_url)
    People(database).set_user(name, read_password(password_file), "administrator", datetime.now(UTC))
    database.close()
    print(f"{'user':9} {name}, administrator of http://127.0.0.1:8080/")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: {error.strerror}") from error
