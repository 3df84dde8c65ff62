"""The file of a camera's background, which keeps it over planned sleeps and restarts.

It is written once, when the trap ends normally. After a power cut the background is learnt again from three bursts.
"""

import logging
from pathlib import Path

from uncia_contract.bursts.backgrounds import Background, background_from_bytes, background_to_bytes
from uncia_contract.errors import StorageError
from uncia_contract.files import write_durable

_log = logging.getLogger(__name__)

NAME = "background.npz"


def read_background(state: Path, camera: str = "") -> Background:
    """The stored background; an empty one if there is no file or it is damaged.

    `camera` is the id of a hub's camera; empty for the trap itself.
    """
    try:
        return background_from_bytes((state / _name(camera)).read_bytes())
    except FileNotFoundError:
        return Background()
    except (OSError, StorageError) as error:
        _log.warning("%s: %s; the background is learnt again", NAME, error)
        return Background()


def write_background(state: Path, background: Background, camera: str = "") -> None:
    """Write the background; if the card refuses, that is only logged."""
    try:
        write_durable(state / _name(camera), background_to_bytes(background))
    except OSError as error:
        _log.warning("%s cannot be written: %s", NAME, error)


def _name(camera: str) -> str:
    return f"background-{camera}.npz" if camera else NAME
