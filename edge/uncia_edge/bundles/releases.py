"""The highest version that a trap has run of each signer, and the bundle name that it expects.

Decides which bundles are too old. The note is independent of the bundles, so that a bundle of another name or a damaged
last good bundle does not lower a version. Without a note (a trap of release 0.1), the last good bundle is used.
"""

import logging
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE, BundleError
from uncia_contract.files import make_folder, write_durable
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.manifest import Manifest

_log = logging.getLogger(__name__)

RELEASES = "releases.json"


class _Note(Struct, frozen=True):
    name: str = ""
    highest: dict[str, int] = {}


class Releases:
    """The highest versions, in a file of the state folder.

    Args:
        path: the file.
        last_good: the last bundle that reproduced its probes.
    """

    def __init__(self, path: Path, last_good: Path) -> None:
        self._path, self._last_good = path, last_good

    def check(self, manifest: Manifest, key: str, names: tuple[str, ...]) -> None:
        """Return if a bundle that is signed by that key may be tried.

        Args:
            manifest: the bundle's manifest.
            key: the fingerprint of its signer.
            names: the expected names; if empty, the name that was used first.

        Raises:
            BundleError: it has another name, or is older than one that has run here.
        """
        note = self._read()
        expected = names or ((note.name,) if note.name else ())
        if expected and manifest.name not in expected:
            raise BundleError(
                f"named {manifest.name}, expected {' or '.join(expected)}; to take it, set bundle_names in trap.toml"
            )
        highest = note.highest.get(key, note.highest.get("", 0))
        if manifest.version < highest:
            raise BundleError(f"{manifest.name} {manifest.version} is older than {highest}, which proved itself here")

    def note(self, manifest: Manifest, key: str) -> None:
        """Note that a bundle that is signed by that key has reproduced its probes."""
        before = self._read()
        known = {signer: version for signer, version in before.highest.items() if signer}
        highest = max(manifest.version, before.highest.get(key, 0))
        after = _Note(before.name or manifest.name, {**known, key: highest})
        if after != before or not self._path.exists():
            self._write(after)

    def inherit(self, keys: tuple[str, ...], earlier: tuple[str, ...]) -> None:
        """Give new keys the highest version of the earlier ones."""
        note = self._read()
        start = max((note.highest.get(key, 0) for key in earlier), default=0)
        self._write(_Note(note.name, {**note.highest, **{key: max(start, note.highest.get(key, 0)) for key in keys}}))

    def _read(self) -> _Note:
        try:
            return msgspec.json.decode(self._path.read_bytes(), type=_Note)
        except FileNotFoundError:
            pass
        except (OSError, *UNDECODABLE) as error:
            _log.error("%s: cannot be read (%s); the version of the last good bundle is used", self._path, error)
        try:
            last = read_bundle(self._last_good).manifest
        except BundleError:
            return _Note()
        return _Note(last.name, {"": last.version})

    def _write(self, note: _Note) -> None:
        try:
            make_folder(self._path.parent)
            write_durable(self._path, msgspec.json.encode(note))
        except OSError as error:
            _log.error("%s: the highest version cannot be written: %s", self._path, error)
