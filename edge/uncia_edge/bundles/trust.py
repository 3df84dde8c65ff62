"""Decides which bundles a trap accepts: with a key, none that is unsigned, changed or older (DESIGN 4).

It checks an Ed25519 signature over the manifest's bytes before anything else of a bundle is read; the manifest has the
sha256 of every member. Without a key every undamaged bundle is accepted, and one that a person copies there may be
older.
"""

import logging
from pathlib import Path

from uncia_contract.errors import BundleError
from uncia_contract.messages.records import SignedKeys
from uncia_contract.model.bundle import Bundle, Seal
from uncia_edge.bundles.installed import FOLDER, LAST_GOOD
from uncia_edge.bundles.keys import KEYS, TrustedKeys
from uncia_edge.bundles.releases import RELEASES, Releases
from uncia_edge.settings import TrapSettings

_log = logging.getLogger(__name__)


class Trust:
    """The rules by which bundles are accepted.

    Args:
        keys: the valid keys; None to accept unsigned bundles.
        releases: the highest versions that have run here.
        names: the expected names of bundles; if empty, the name that was used first.
    """

    def __init__(self, keys: TrustedKeys | None, releases: Releases, names: tuple[str, ...] = ()) -> None:
        self._keys, self._releases, self._names = keys, releases, names

    def vouch(self, seal: Seal) -> None:
        """Return if the bundle with this manifest and signature may be read and tried.

        Raises:
            BundleError: it is unsigned, signed by another key, of another name, or older than one that has run here.
        """
        if self._keys is not None:
            self._releases.check(seal.manifest, _signer(self._keys, seal), self._names)
        elif self._names and seal.manifest.name not in self._names:
            raise BundleError(f"named {seal.manifest.name}, expected {' or '.join(self._names)} (bundle_names)")

    def vouch_again(self, seal: Seal) -> None:
        """Return if a bundle that was good before may be used again; it may be older.

        Raises:
            BundleError: it is unsigned or signed by another key.
        """
        if self._keys is not None:
            _signer(self._keys, seal)

    def note(self, bundle: Bundle) -> None:
        """Note a bundle that reproduced its probes: from now on, no older one of its signer is accepted."""
        if self._keys is not None:
            self._releases.note(bundle.manifest, _signer(self._keys, Seal(bundle.manifest_bytes, bundle.signature)))

    def replace_keys(self, signed: SignedKeys) -> int:
        """Trust the keys of a statement from now on; return its serial.

        Raises:
            BundleError: this trap has no key, or the statement is not valid.
            OSError: the card cannot be written.
        """
        if self._keys is None:
            raise BundleError("this trap takes every bundle: its trap.toml has no bundle_key to replace")
        earlier = self._keys.fingerprints
        self._keys.replace(signed)
        self._releases.inherit(self._keys.fingerprints, earlier)
        _log.warning("keys %s are valid now, by statement %d", ", ".join(self._keys.fingerprints), self._keys.serial)
        return self._keys.serial


def _signer(keys: TrustedKeys, seal: Seal) -> str:
    if seal.signature is None:
        raise BundleError("unsigned: expected a signature by a trusted key (uncia-convert sign)")
    return keys.signer(seal.signature, seal.manifest_bytes)


def trust_of(settings: TrapSettings) -> Trust:
    """The trust that the settings configure.

    Raises:
        ConfigurationError: a key's file is missing or has no such key.
    """
    folder = Path(settings.state) / FOLDER
    configured = tuple(Path(path) for path in (settings.bundle_key, settings.bundle_key_spare) if path)
    keys = TrustedKeys(configured, folder / KEYS) if configured else None
    return Trust(keys, Releases(folder / RELEASES, folder / LAST_GOOD), settings.bundle_names)
