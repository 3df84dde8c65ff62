"""Which bundles a trap takes, where it was given a key (DESIGN 4: nothing unsigned, tampered or older).

Decides by an Ed25519 signature over the manifest's bytes, before anything else of a bundle is read; the manifest holds
the sha256 of every member. Without a key every whole bundle is taken, and what is put there by hand may be older.
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
    """In the holders of some keys, and in bundles of some names.

    Args:
        keys: that hold; None to trust everybody.
        releases: what has run here.
        names: of bundles that are expected; where there are none, the name that was used first.
    """

    def __init__(self, keys: TrustedKeys | None, releases: Releases, names: tuple[str, ...] = ()) -> None:
        self._keys, self._releases, self._names = keys, releases, names

    def vouch(self, seal: Seal) -> None:
        """Return when the bundle of this seal may be read and tried.

        Raises:
            BundleError: it is unsigned, signed by somebody else, of another name, or older than one that has run here.
        """
        if self._keys is not None:
            self._releases.check(seal.manifest, _signer(self._keys, seal), self._names)
        elif self._names and seal.manifest.name not in self._names:
            raise BundleError(f"named {seal.manifest.name}, expected {' or '.join(self._names)} (bundle_names)")

    def vouch_again(self, seal: Seal) -> None:
        """The same for a bundle that has proved itself here before, and is fallen back on: it may be older.

        Raises:
            BundleError: it is unsigned, or signed by somebody else.
        """
        if self._keys is not None:
            _signer(self._keys, seal)

    def note(self, bundle: Bundle) -> None:
        """The bundle has proved itself: nothing older of its signer is taken from now on."""
        if self._keys is not None:
            self._releases.note(bundle.manifest, _signer(self._keys, Seal(bundle.manifest_bytes, bundle.signature)))

    def replace_keys(self, signed: SignedKeys) -> int:
        """Trust other keys from now on; the serial of the statement that names them.

        Raises:
            BundleError: this trap has no key, or the statement is not to be believed.
            OSError: the card cannot be written.
        """
        if self._keys is None:
            raise BundleError("this trap takes every bundle: its trap.toml has no bundle_key to replace")
        earlier = self._keys.fingerprints
        self._keys.replace(signed)
        self._releases.inherit(self._keys.fingerprints, earlier)
        _log.warning("keys %s hold now, by statement %d", ", ".join(self._keys.fingerprints), self._keys.serial)
        return self._keys.serial


def _signer(keys: TrustedKeys, seal: Seal) -> str:
    if seal.signature is None:
        raise BundleError("unsigned: expected a signature by a trusted key (uncia-convert sign)")
    return keys.signer(seal.signature, seal.manifest_bytes)


def trust_of(settings: TrapSettings) -> Trust:
    """As it is configured.

    Raises:
        ConfigurationError: there is no such key.
    """
    folder = Path(settings.state) / FOLDER
    configured = tuple(Path(path) for path in (settings.bundle_key, settings.bundle_key_spare) if path)
    keys = TrustedKeys(configured, folder / KEYS) if configured else None
    return Trust(keys, Releases(folder / RELEASES, folder / LAST_GOOD), settings.bundle_names)
