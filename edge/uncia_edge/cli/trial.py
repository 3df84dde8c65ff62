"""`uncia-trap try`: have the next burst sent as a test, whatever its verdict."""

import argparse
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_edge.outbox.state_folder import MEMORY, OUTBOX, is_claimed
from uncia_edge.service.trial import Trial
from uncia_edge.settings import read_settings


def add_try(command: argparse.ArgumentParser) -> None:
    """The arguments of `try`."""
    command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    command.set_defaults(run=ask_for_trial)


def ask_for_trial(arguments: argparse.Namespace) -> int:
    """Leaves the wish where the service finds it, and says what happens next."""
    settings = read_settings(arguments.config)
    state = Path(settings.state)
    waits = "" if is_claimed(state) else " The wish waits until the trap runs: systemctl start uncia-trap"
    _leave_wish(state)
    print(f"{settings.trap}: the next burst is sent as a test, whatever its verdict.{waits}")
    return 0


def _leave_wish(state: Path) -> None:
    """In the state folder; in the one in memory where the card cannot be written."""
    folder = MEMORY if (MEMORY / OUTBOX).is_dir() else state
    if not folder.is_dir():
        raise StorageError(f"state {state}: not there yet; start the trap once, then try again")
    try:
        Trial(folder).ask()
    except OSError as error:
        raise StorageError(f"state {folder}: {error.strerror}; it is the service's own: ask as root") from error
