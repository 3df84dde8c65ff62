"""The bundle that the base station installed in place of the configured one.

It is used until it is withdrawn, and only as long as the configured file is the one that it replaced: if a person
copies another bundle to the trap, that one is used.

A note names the installed file. Files are written before the note and removed after it, so that after a power cut
either the old or the new bundle is installed.
"""

import hashlib
import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE
from uncia_contract.files import make_folder, sync_folder, write_durable

_log = logging.getLogger(__name__)

# In the state folder: the folder of bundles, the last one that reproduced its probes, and the one before it.
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
        """The installed bundle; None if the configured one is to be used."""
        note = self._note()
        if note is None or note.instead_of != sha256_of_file(self._configured):
            return None
        path = self._folder / note.file
        return path if path.is_file() else None

    def put(self, content: bytes) -> None:
        """Install a bundle: it is used instead of the configured one from the next start.

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
        """Remove the note, so that the configured bundle is used again."""
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
    """The sha256 of a file; empty if it cannot be read."""
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""
