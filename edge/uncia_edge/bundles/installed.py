"""The bundle that an offer from the base station put in place of the configured one.

Decides how long it stands: as long as the configured file is the one that it replaced (a bundle that somebody puts
there by hand wins), and until it is withdrawn.

A note names the file in force; files are written before the note, and removed after it, so that a power cut leaves the
old one or the new one.
"""

import hashlib
import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE
from uncia_contract.files import make_folder, sync_folder, write_durable

_log = logging.getLogger(__name__)

# In the state folder: where bundles are, the one that proved itself last, and the one before it.
FOLDER, LAST_GOOD, EARLIER_GOOD = "bundle", "last-good.uncia", "earlier-good.uncia"
_NOTE = "installed.json"


class _Note(Struct, frozen=True):
    file: str
    instead_of: str


class InstalledBundle:
    """The installed bundle in `folder`, if there is one, in place of the file `configured`."""

    def __init__(self, folder: Path, configured: Path) -> None:
        self._folder, self._configured = folder, configured

    @property
    def path(self) -> Path | None:
        """The bundle in force; None where the configured one is."""
        note = self._note()
        if note is None or note.instead_of != sha256_of_file(self._configured):
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
        self._write(_Note(name, sha256_of_file(self._configured)))
        for path in self._folder.glob("installed-*.uncia"):
            if path.name != name:
                path.unlink()

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


def sha256_of_file(path: Path) -> str:
    """Empty where there is no such file."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
