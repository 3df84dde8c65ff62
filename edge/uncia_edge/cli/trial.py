"""`uncia-trap try`: asks the trap to send the next burst as a test, whatever its verdict."""

import argparse
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_edge.outbox.state_folder import MEMORY, OUTBOX, is_claimed
from uncia_edge.service.trial import Trial
from uncia_edge.settings import read_settings


def add_try(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `try`."""
    command.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    command.set_defaults(run=ask_for_trial)


def ask_for_trial(arguments: argparse.Namespace) -> int:
    """Write the request where the service finds it; print what happens next; return 0."""
    settings = read_settings(arguments.config)
    state = Path(settings.state)
    waits = "" if is_claimed(state) else " The request waits until the trap runs: systemctl start uncia-trap"
    _write_request(state)
    print(f"{settings.trap}: the next burst is sent as a test, whatever its verdict.{waits}")
    return 0


def _write_request(state: Path) -> None:
    """Write to the state folder, or to the one in memory if the trap uses that."""
    folder = MEMORY if (MEMORY / OUTBOX).is_dir() else state
    if not folder.is_dir():
        raise StorageError(f"state {state}: not there yet; start the trap once, then try again")
    try:
        Trial(folder).ask()
    except OSError as error:
        raise StorageError(
            f"state {folder}: {error.strerror}; only the service may write to it: run this as root"
        ) from error
