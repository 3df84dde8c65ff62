"""The background of the trap's own view, kept over planned sleeps and restarts.

Decides when it is written: once, when the trap ends in order. After a power cut it is learnt again from three bursts.
"""

import logging
from pathlib import Path

from uncia_contract.bursts.backgrounds import Background, background_from_bytes, background_to_bytes
from uncia_contract.errors import StorageError
from uncia_contract.files import write_durable

_log = logging.getLogger(__name__)

NAME = "background.npz"


def read_background(state: Path, camera: str = "") -> Background:
    """The background that was kept; an empty one where none was, or where the file is damaged.

    `camera` is one of a hub's, each of which has a view of its own.
    """
    try:
        return background_from_bytes((state / _name(camera)).read_bytes())
    except FileNotFoundError:
        return Background()
    except (OSError, StorageError) as error:
        _log.warning("%s: %s; it is made anew", NAME, error)
        return Background()


def write_background(state: Path, background: Background, camera: str = "") -> None:
    """Write the background; a card that refuses costs only the background."""
    try:
        write_durable(state / _name(camera), background_to_bytes(background))
    except OSError as error:
        _log.warning("%s cannot be kept: %s", NAME, error)


def _name(camera: str) -> str:
    return f"background-{camera}.npz" if camera else NAME
