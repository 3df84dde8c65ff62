"""The bundle that an offer from the base station put in place of the configured one.

Decides how long it stands: as long as the configured file is the one that it replaced (a bundle that somebody puts
there by hand wins), and until it is withdrawn. A bundle that has not yet proved itself in the running trap is tried
twice at most: one that ends the process while it is loaded must not end it for ever.

A note names the file in force; files are written before the note, and removed after it, so that a power cut leaves the
old one or the new one.
"""

import hashlib
import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE, BundleError
from uncia_contract.files import make_folder, sync_folder, write_durable

_log = logging.getLogger(__name__)

TRIALS = 2
_NOTE = "installed.json"


class _Note(Struct, frozen=True):
    file: str
    instead_of: str
    trials: int = 0
    proved: bool = False


class InstalledBundle:
    """The installed bundle in `folder`, if there is one, in place of the file `configured`."""

    def __init__(self, folder: Path, configured: Path) -> None:
        self._folder, self._configured = folder, configured

    @property
    def path(self) -> Path | None:
        """The bundle in force; None where the configured one is."""
        note = self._note()
        if note is None or note.instead_of != _sha256_of(self._configured):
            return None
        path = self._folder / note.file
        return path if path.is_file() else None

    def put(self, content: bytes) -> None:
        """From the next start on, this bundle instead of the configured one.

        Raises:
            OSError: the card cannot be written; nothing has changed.
        """
        name = f"installed-{hashlib.sha256(content).hexdigest()[:16]}.uncia"
        make_folder(self._folder)
        write_durable(self._folder / name, content)
        self._write(_Note(name, _sha256_of(self._configured)))
        for path in self._folder.glob("installed-*.uncia"):
            if path.name != name:
                path.unlink()

    def begin_trial(self) -> None:
        """It is about to be loaded.

        Raises:
            BundleError: it has been before, and never came out of it.
        """
        note = self._note()
        if note is None or note.proved:
            return
        if note.trials >= TRIALS:
            raise BundleError(f"{note.file}: ended the trap {note.trials} times while it was loaded")
        self._try_to_write(msgspec.structs.replace(note, trials=note.trials + 1))

    def prove(self) -> None:
        """It runs."""
        note = self._note()
        if note is not None and not note.proved:
            self._try_to_write(msgspec.structs.replace(note, proved=True))

    def withdraw(self) -> None:
        """The configured bundle holds again."""
        try:
            (self._folder / _NOTE).unlink(missing_ok=True)
            sync_folder(self._folder)
        except OSError as error:
            _log.error("installed bundle cannot be withdrawn: %s", error)

    def _note(self) -> _Note | None:
        try:
            return msgspec.json.decode((self._folder / _NOTE).read_bytes(), type=_Note)
        except (OSError, *UNDECODABLE):
            return None

    def _write(self, note: _Note) -> None:
        write_durable(self._folder / _NOTE, msgspec.json.encode(note))

    def _try_to_write(self, note: _Note) -> None:
        try:
            self._write(note)
        except OSError as error:  # a card that became read-only: what is on it is used all the same
            _log.error("trial of the installed bundle cannot be noted: %s", error)


def _sha256_of(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
