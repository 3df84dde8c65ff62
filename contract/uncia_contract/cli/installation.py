"""Setting a machine up: files written, links made, programs run; each told in a line, or only told (`--dry-run`).

Decides that what is as it should be is left alone, so that a second run changes nothing. What goes where, each program
decides.
"""

import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from uncia_contract.cli.configuration import read_toml
from uncia_contract.errors import ConfigurationError, StorageError
from uncia_contract.files import private_files, write_durable

STATION = "station.toml"  # what a base station packs for a trap, beside certificates and bundle


class PackedTrap(Struct, frozen=True, forbid_unknown_fields=True):
    """What a trap must know of its station; `bundle` is a file beside this one, empty for none."""

    trap: str
    host: str
    port: int = 8883
    bundle: str = ""


def read_packed(folder: Path) -> PackedTrap:
    """What a station packed for a trap.

    Raises:
        ConfigurationError: nothing, or not that.
    """
    try:
        return read_toml(folder / STATION, PackedTrap)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; expected the folder that `uncia-collect setup` made") from error


def shipped(name: str) -> bytes:
    """A file of the folder `systemd`, as it is installed or as the repository has it.

    Raises:
        StorageError: this installation lacks it.
    """
    here = Path(__file__).absolute()
    for folder in (here.parents[1] / "systemd", here.parents[3] / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise StorageError(f"{name}: this installation of uncia lacks it; install it anew")


class Installation:
    """Changes to one machine, told as they are made.

    Args:
        dry: only tell.
        root: the machine's root folder, for an image or a test; programs are run only where it is `/`.
    """

    def __init__(self, dry: bool = False, root: Path = Path("/")) -> None:
        self._dry, self._root, self._runs = dry, root, root == Path("/")
        self.changed = False

    def place(self, path: str) -> Path:
        """Where a path of the machine lies here."""
        return self._root / path.lstrip("/")

    def write(self, path: str, content: bytes, mode: int = 0o644, owner: str = "") -> None:
        """A file with this content.

        Raises:
            StorageError: it cannot be written; are you root?
        """
        target, owner = self.place(path), owner if self._runs else ""
        try:
            same = target.is_file() and target.read_bytes() == content and target.stat().st_mode & 0o777 == mode
            same = same and (not owner or target.owner() == owner)
            self._tell("unchanged" if same else "write", path)
            if same or self._dry:
                return
            target.parent.mkdir(parents=True, exist_ok=True)
            with private_files():  # until `mode` says who else may read it
                write_durable(target, content)
            target.chmod(mode)
            if owner:
                shutil.chown(target, owner)
        except (OSError, LookupError) as error:
            raise StorageError(f"{path}: {getattr(error, 'strerror', None) or error}; run setup as root") from error
        self.changed = True

    def keep(self, path: str, content: bytes) -> None:
        """A file with this content where there is none; what is there stays."""
        if self.place(path).exists():
            self._tell("kept", path)
        else:
            self.write(path, content)

    def link(self, path: str, target: str) -> None:
        """A symbolic link.

        Raises:
            StorageError: it cannot be made, or something else is in its place.
        """
        link = self.place(path)
        same = link.is_symlink() and str(link.readlink()) == target
        self._tell("unchanged" if same else "link", f"{path} -> {target}")
        if same or self._dry:
            return
        try:
            link.parent.mkdir(parents=True, exist_ok=True)
            if link.is_symlink():
                link.unlink()
            link.symlink_to(target)
        except OSError as error:
            raise StorageError(f"{path}: {error.strerror}; move it away, and run setup as root") from error
        self.changed = True

    def run(self, *command: str, must: bool = True) -> None:
        """A program.

        Raises:
            StorageError: it is not there or fails, and `must`.
        """
        self._tell("run", " ".join(command))
        if self._dry or not self._runs:
            return
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True)
            told = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
            failed = "" if done.returncode == 0 else told[0]
        except OSError as error:
            failed = error.strerror or str(error)
        if failed and must:
            raise StorageError(f"{' '.join(command)}: {failed}")
        if failed:
            print(f"          ({failed}; done without)")

    def _tell(self, what: str, detail: str) -> None:
        print(f"{what:9} {detail}", flush=True)


def asked(value: str | None, question: str, flag: str, choices: Sequence[str] = ()) -> str:
    """The value, or the answer of whoever sits at the terminal.

    Raises:
        ConfigurationError: nobody does, or the answer is none of the choices.
    """
    if value is None:
        if not os.isatty(0):
            raise ConfigurationError(f"{flag}: expected, because nobody can be asked")
        offered = f" ({', '.join(choices)})" if choices else ""
        try:
            value = input(f"{question}{offered}: ").strip()
        except EOFError:
            value = ""
    if not value or (choices and value not in choices):
        raise ConfigurationError(f"{flag} {value!r}: expected {' or '.join(choices) or 'an answer'}")
    return value
