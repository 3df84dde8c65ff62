"""The arguments of `uncia-train score --suggest`."""

import argparse
from datetime import UTC
from pathlib import Path

from uncia_contract.cli.arguments import whole
from uncia_contract.errors import DataError
from uncia_contract.model.bundle import Bundle
from uncia_contract.pictures.picture_sum import PictureNotes
from uncia_training.archive.suggestions import SUGGESTIONS, Progress, Suggestions, check_unlabelled
from uncia_training.cli.data_set import DATA_HELP
from uncia_training.datasets.storage import is_address


def add_suggest(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    add("--suggest", type=whole(1), metavar="N", help=f"write {SUGGESTIONS} with the N sequences to label first")
    add("--known", type=Path, metavar="PATH", help=f"{DATA_HELP}; similar pictures are not suggested")


def suggestions_of(
    arguments: argparse.Namespace, bundle: Bundle, progress: Progress, unreadable: list[str]
) -> Suggestions | None:
    """The suggestions to make; None without `--suggest`. `unreadable` receives folders that cannot be listed.

    Raises:
        DataError: the arguments do not fit together, or labels would be overwritten.
    """
    from uncia_contract.datasets.reader import read_data

    if arguments.suggest is None:
        if arguments.known is not None:
            raise DataError("--known without --suggest: also give how many sequences to suggest")
        return None
    for address in (arguments.archive, arguments.out):
        if is_address(address):
            raise DataError(f"--suggest: {address} is an address; expected a folder of this machine")
    check_unlabelled(Path(arguments.out) / SUGGESTIONS)
    zone = arguments.utc_offset or UTC
    notes = PictureNotes()
    known = read_data(arguments.known, zone=zone, notes=notes) if arguments.known else []
    unreadable += notes.unreadable
    return Suggestions(Path(arguments.archive).resolve(), bundle, arguments.suggest, known, progress)
