"""`uncia-trap setup`: makes this machine a trap: configuration, certificates, unit, udev rules, groups; starts it.

Decides which file goes where. It asks for what no flag gave, does not change an existing trap.toml, and may be run
again.
"""

import argparse
import grp
import sys
from pathlib import Path

from uncia_contract.cli.installation import Installation, PackedTrap, asked, read_packed, shipped, toml_string
from uncia_contract.errors import DataError
from uncia_edge.settings import read_settings

CONFIGURATION = "/etc/uncia/trap.toml"
_GROUPS = ("gpio", "plugdev", "video")  # used by the unit and the udev rules
_KEY = "/run/credentials/uncia-trap.service/key"
_CAMERAS = ("watched", "picamera2")


def add_setup(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `setup`."""
    command.add_argument(
        "--from", dest="packed", type=Path, metavar="FOLDER", required=True,
        help="the folder that `uncia-collect setup` packed for this trap: certificates, bundle, station address",
    )  # fmt: skip
    command.add_argument(
        "--camera",
        choices=_CAMERAS,
        help="watched: another camera's pictures; picamera2: the Pi's own (asked for if absent)",
    )
    command.add_argument(
        "--folder", metavar="DIR", help="the folder that the other camera writes into (asked for if absent)"
    )
    command.add_argument("--bundle", type=Path, metavar="FILE", help="use this bundle instead of the packed one")
    command.add_argument("--dry-run", action="store_true", help="only print what would be done")
    command.add_argument(
        "--root", type=Path, default=Path("/"), metavar="DIR", help="set up a system image here; nothing is started"
    )
    command.set_defaults(run=run_setup)


def run_setup(arguments: argparse.Namespace) -> int:
    """Do each step and print a line for it; return 0."""
    packed = read_packed(arguments.packed)
    bundle = arguments.bundle or arguments.packed / (packed.bundle or "a.uncia")
    camera = asked(arguments.camera, "whose pictures", "--camera", _CAMERAS)
    folder = asked(arguments.folder, "folder of the pictures", "--folder") if camera == "watched" else ""
    machine = Installation(arguments.dry_run, arguments.root)
    _files(machine, arguments.packed, packed.trap, bundle)
    machine.keep(CONFIGURATION, _configuration(packed, bundle.name, camera, folder).encode())
    _units(machine, packed.trap)
    if machine.place(CONFIGURATION).exists():
        read_settings(machine.place(CONFIGURATION))  # so that a mistake is reported before the service starts
    _start(machine)
    print(f"done: {packed.trap} sends to {packed.host}; next: uncia-trap try --config {CONFIGURATION}, and walk by")
    return 0


def _files(machine: Installation, packed: Path, trap: str, bundle: Path) -> None:
    for source, target, mode in (
        (packed / "ca.pem", "ca.pem", 0o644),
        (packed / f"{trap}.pem", f"{trap}.pem", 0o644),
        (packed / f"{trap}.key", f"{trap}.key", 0o600),
        (bundle, bundle.name, 0o644),
    ):
        try:
            content = source.read_bytes()
        except OSError as error:
            raise DataError(f"{source}: {error.strerror}; expected it beside station.toml") from error
        machine.write(f"/etc/uncia/{target}", content, mode)


def _configuration(packed: PackedTrap, bundle: str, camera: str, folder: str) -> str:
    pictures = f"\nfolder = {toml_string(folder)}" if folder else ""
    return (
        f'trap = "{packed.trap}"\nbundle = {toml_string(bundle)}\nstate = "/var/lib/uncia-trap"\n\n'
        f'[camera]\nkind = "{camera}"{pictures}\n\n'
        f'[broker]\nhost = "{packed.host}"\nport = {packed.port}\nca = "ca.pem"\n'
        f'certificate = "{packed.trap}.pem"\nkey = "{_KEY}"\n'
    )


def _units(machine: Installation, trap: str) -> None:
    units = "/etc/systemd/system"
    machine.write(f"{units}/uncia-trap.service", shipped("uncia-trap.service"))
    credential = f"[Service]\nLoadCredential=key:/etc/uncia/{trap}.key\n"
    machine.write(f"{units}/uncia-trap.service.d/key.conf", credential.encode())
    machine.write("/etc/udev/rules.d/60-uncia.rules", shipped("60-uncia.rules"))
    machine.link("/usr/local/bin/uncia-trap", str(Path(sys.prefix) / "bin" / "uncia-trap"))


def _start(machine: Installation) -> None:
    known = {group.gr_name for group in grp.getgrall()}
    for group in _GROUPS:
        if group not in known:
            machine.run("groupadd", "--system", group)
    machine.run("udevadm", "control", "--reload", must=False)
    machine.run("udevadm", "trigger", must=False)
    machine.run("systemctl", "daemon-reload")
    machine.run("systemctl", "enable", "--quiet", "uncia-trap")
    machine.run("systemctl", "restart" if machine.changed else "start", "uncia-trap")
