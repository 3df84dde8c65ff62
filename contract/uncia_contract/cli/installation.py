"""Set-up of a machine: writes files, makes links and runs programs, one printed line each (`--dry-run` only prints).

A file or link that is already right is not changed, so a second run changes nothing. Each program decides what it
installs, and where.
"""

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from uncia_contract.cli.configuration import read_toml
from uncia_contract.errors import ConfigurationError, StorageError
from uncia_contract.files import private_files, write_durable

STATION = "station.toml"  # the file that a base station packs for a trap, beside certificates and bundle


class PackedTrap(Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `station.toml`: the trap's id, the broker's host and port, and the name of the bundle's file.

    `bundle` is the name of a file in the same folder; empty for none.
    """

    trap: str
    host: str
    port: int = 8883
    bundle: str = ""


def toml_string(text: str) -> str:
    """A text as TOML quotes it; the escapes are those of JSON."""
    return json.dumps(text, ensure_ascii=False)


def read_packed(folder: Path) -> PackedTrap:
    """The `station.toml` in the folder that a station packed for a trap.

    Raises:
        ConfigurationError: the folder has no `station.toml`, or a wrong one.
    """
    try:
        return read_toml(folder / STATION, PackedTrap)
    except ConfigurationError as error:
        raise ConfigurationError(f"{error}; expected the folder that `uncia-collect setup` made") from error


def shipped(name: str) -> bytes:
    """The bytes of a file of the folder `systemd`, from the installed package or the repository.

    Raises:
        StorageError: this installation lacks the file.
    """
    here = Path(__file__).absolute()
    for folder in (here.parents[1] / "systemd", here.parents[3] / "systemd"):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
    raise StorageError(f"{name}: this installation of uncia lacks it; install it anew")


def _belongs_to(path: Path, owner: str) -> bool:
    try:
        return path.owner() == owner
    except KeyError:  # of a user who is gone, or of another machine's
        return False


class Installation:
    """Changes to one machine, each printed as it is made.

    Args:
        dry: print the changes and make none.
        root: the machine's root folder; not `/` for an image or a test, and then no programs are run.
    """

    def __init__(self, dry: bool = False, root: Path = Path("/")) -> None:
        self._dry, self._root, self._runs = dry, root, root == Path("/")
        self.changed = False

    def place(self, path: str) -> Path:
        """The path of a machine's file below `root`."""
        return self._root / path.lstrip("/")

    def write(self, path: str, content: bytes, mode: int = 0o644, owner: str = "") -> None:
        """Write a file, unless it has this content, mode and owner already.

        Raises:
            StorageError: it cannot be written, for example because the user is not root.
        """
        target, owner = self.place(path), owner if self._runs else ""
        try:
            same = target.is_file() and target.read_bytes() == content and target.stat().st_mode & 0o777 == mode
            same = same and (not owner or _belongs_to(target, owner))
            self._print("unchanged" if same else "write", path)
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
        """Write a file where there is none; an existing one is left as it is."""
        if self.place(path).exists():
            self._print("kept", path)
        else:
            self.write(path, content)

    def link(self, path: str, target: str) -> None:
        """Make a symbolic link at `path` that points to `target`; an existing link is replaced.

        Raises:
            StorageError: it cannot be made, or a file or folder is in its place.
        """
        link = self.place(path)
        same = link.is_symlink() and str(link.readlink()) == target
        self._print("unchanged" if same else "link", f"{path} -> {target}")
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
        """Run a program.

        Raises:
            StorageError: `must` is true, and the program is missing or fails.
        """
        self._print("run", " ".join(command))
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
            print(f"          ({failed}; skipped)")

    def _print(self, what: str, detail: str) -> None:
        print(f"{what:9} {detail}", flush=True)


def asked(value: str | None, question: str, flag: str, choices: Sequence[str] = ()) -> str:
    """The value of a flag, or the answer to `question` at the terminal where the flag was not given.

    Raises:
        ConfigurationError: no flag and no terminal, or the answer is none of the choices.
    """
    if value is None:
        if not os.isatty(0):
            raise ConfigurationError(f"{flag}: required, because there is no terminal to ask at")
        offered = f" ({', '.join(choices)})" if choices else ""
        try:
            value = input(f"{question}{offered}: ").strip()
        except EOFError:
            value = ""
    if not value or (choices and value not in choices):
        raise ConfigurationError(f"{flag} {value!r}: expected {' or '.join(choices) or 'an answer'}")
    return value
