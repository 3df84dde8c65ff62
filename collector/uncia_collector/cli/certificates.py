"""`uncia-collect certificates`: decide who may connect to the broker: init, issue, renew, revoke, list, end-session."""

import argparse
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uncia_collector.certificates import identities
from uncia_collector.certificates.folder import CertificateFolder
from uncia_collector.certificates.shutting_out import RunningBroker, end_session, shut_out
from uncia_collector.settings import CollectorSettings, read_settings
from uncia_collector.station.trap_commands import CommandClient
from uncia_contract.errors import BrokerError, DataError
from uncia_contract.messages.records import Command
from uncia_contract.messages.topics import Topics

WARN_DAYS = 365  # `list` shows the days left of a certificate that ends sooner
EXAMPLES = {
    "init": "/root/certificates base.local 192.168.7.1",
    "issue": "/root/certificates ridge-01 valley-02",
    "renew": "/root/certificates ridge-01",
    "revoke": "/root/certificates ridge-01",
    "list": "/root/certificates",
    "end-session": "/root/certificates uncia-collector",
}


def add_certificates(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `certificates` and of its commands."""
    commands = command.add_subparsers(required=True, metavar="WHAT")
    init = _add(commands, "init", _init, "make the authority and the certificates of the station; existing files stay")
    init.add_argument("names", nargs="*", metavar="NAME", help="host names, IPv4 and IPv6 addresses of the broker")
    issue = _add(commands, "issue", _issue, "make a certificate for each of these traps")
    issue.add_argument("traps", nargs="*", metavar="TRAP", help="trap ids")
    issue.add_argument("--member", action="append", default=[], metavar="NAME", help="a further collector of a group")
    renew = _add(commands, "renew", _renew, "make a new certificate; the earlier one stays valid until it is revoked")
    renew.add_argument("names", nargs="+", metavar="NAME", help="as `list` shows them")
    renew.add_argument("--over-mqtt", type=Path, metavar="TOML", help="renew on the traps, with this collector.toml")
    revoke = _add(commands, "revoke", _revoke, "refuse these certificates from now on, and end open sessions")
    revoke.add_argument("names", nargs="+", metavar="NAME", help="as `list` shows them")
    revoke.add_argument("--older", action="store_true", help="after a renewal: all but the newest of each name")
    _add(commands, "list", _list, "print every certificate")
    end = _add(commands, "end-session", _end_session, "remove the session that the broker keeps for a client id")
    end.add_argument("names", nargs="+", metavar="NAME", help="client ids, such as uncia-collector of release 0.1")
    for one in (revoke, end):
        _add_broker(one)


def _add(commands: Any, name: str, run: object, text: str) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(
        name, help=text, description=text, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    command.epilog = f"examples:\n  {command.prog} {EXAMPLES[name]}"
    command.add_argument(
        "folder", type=Path, metavar="FOLDER", help="the folder of the authority, such as /root/certificates"
    )
    command.set_defaults(run=run)
    return command


def _add_broker(command: argparse.ArgumentParser) -> None:
    command.add_argument("--host", default="", metavar="HOST", help="the broker (the first name in its certificate)")
    command.add_argument("--port", type=int, default=8883, metavar="PORT", help="its port (8883)")
    crl = Path("/etc/mosquitto/certs/crl.pem")
    command.add_argument("--crl", type=Path, default=crl, metavar="FILE", help=f"the broker's crlfile ({crl})")
    reload = "systemctl reload mosquitto"
    command.add_argument(
        "--reload", default=reload, metavar="COMMAND", help=f"makes the broker read FILE again ({reload})"
    )


def _folder(arguments: argparse.Namespace) -> CertificateFolder:
    return CertificateFolder(arguments.folder, datetime.now(UTC))


def _init(arguments: argparse.Namespace) -> int:
    folder = _folder(arguments)
    for identity in folder.begin(arguments.names):
        print(f"{folder.path}/{identity.file}.pem, {identity.file}.key: {identity.name}")
    print(f"{folder.path}/crl.pem, {identities.ACCESS_LIST}: for the broker; ca.key stays here")
    return 0


def _issue(arguments: argparse.Namespace) -> int:
    wanted = [*map(identities.trap, arguments.traps), *map(identities.member, arguments.member)]
    if not wanted:
        raise DataError("certificates issue: expected trap ids, or --member NAME")
    folder = _folder(arguments)
    for identity in wanted:
        folder.issue(identity)
        print(f"{folder.path}/{identity.file}.pem, {identity.file}.key: {identity.name}")
    if arguments.member:
        print(f"{folder.path}/{identities.ACCESS_LIST}: has the new member; copy it to the broker and reload it")
    return 0


def _renew(arguments: argparse.Namespace) -> int:
    folder = _folder(arguments)
    for name in arguments.names:
        folder.known(name)
    if arguments.over_mqtt:
        _renew_over_mqtt(folder, arguments.names, read_settings(arguments.over_mqtt))
        return 0
    for name in arguments.names:
        folder.renew(name)
        file = f"{folder.path}/{name.lower()}"
        print(f"{file}.pem, {file}.key: {name}; the earlier one holds until `certificates revoke --older ... {name}`")
    return 0


def _renew_over_mqtt(folder: CertificateFolder, names: list[str], settings: CollectorSettings) -> None:
    """Each trap makes a new key, which never leaves it; only its request and the certificate are sent."""
    for name in names:
        with CommandClient(settings.broker, Topics(identities.trap(name).name, settings.root)) as client:
            asked = client.request(Command("request_certificate"))
            certificate = folder.renew_for(name, asked.detail.encode()) if asked.ok else b""
            told = client.request(Command("install_certificate", value=certificate.decode())) if asked.ok else asked
        if not told.ok:
            raise BrokerError(f"{name} refused: {told.detail}")
        print(f"{name}: {told.detail}; the earlier one holds until `certificates revoke --older ... {name}`")


def _revoke(arguments: argparse.Namespace) -> int:
    folder, began_s = _folder(arguments), time.monotonic()
    count = folder.revoke(arguments.names, arguments.older)
    shut_out(folder, arguments.names, _broker(arguments))
    took_s = time.monotonic() - began_s
    print(f"{', '.join(arguments.names)}: {count} revoked, refused by the broker, sessions ended; {took_s:.1f} s")
    return 0


def _end_session(arguments: argparse.Namespace) -> int:
    for name in arguments.names:
        end_session(_folder(arguments), name, _broker(arguments))
        print(f"{name}: the broker keeps nothing under it")
    return 0


def _broker(arguments: argparse.Namespace) -> RunningBroker:
    return RunningBroker(arguments.host, arguments.port, arguments.crl, arguments.reload)


def _list(arguments: argparse.Namespace) -> int:
    folder = _folder(arguments)
    entries = folder.entries()
    if not entries:
        raise DataError(f"{folder.path}: no certificates; is it the folder of `certificates init`?")
    print(f"{'name':32} {'until':10}  {'state':20} serial")
    for entry in entries:
        state = "holds"
        if entry.revoked_at:
            state = f"revoked {entry.revoked_at:%Y-%m-%d}"
        elif (left := (entry.until - folder.now).days) < WARN_DAYS:
            state = f"{left} days left" if left >= 0 else "over"
        print(f"{entry.name:32} {entry.until:%Y-%m-%d}  {state:20} {entry.serial:x}")
    return 0
