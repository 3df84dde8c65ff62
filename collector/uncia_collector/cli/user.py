"""`uncia-collect user`: add, remove or list the people who may log in to the page."""

import argparse
import getpass
import sys
from datetime import UTC, datetime
from pathlib import Path

from uncia_collector.catalogue.access import log
from uncia_collector.catalogue.people import ROLES, People
from uncia_collector.cli.catalogue_option import add_catalogue, open_catalogue
from uncia_contract.errors import ConfigurationError, DataError


def add_user(command: argparse.ArgumentParser) -> None:
    """Add the arguments of `user`."""
    command.add_argument("action", choices=["add", "remove", "list"])
    command.add_argument("name", nargs="?", default="")
    command.add_argument("--role", choices=ROLES, default="reviewer")
    command.add_argument(
        "--password-file", type=Path, help="holds the password in its first line (default: terminal or pipe)"
    )
    add_catalogue(command)
    command.set_defaults(run=_user)


def _user(arguments: argparse.Namespace) -> int:
    with open_catalogue(arguments, create=True) as database:
        people = People(database)
        if arguments.action == "list":
            print("\n".join(f"{name}\t{role}" for name, role in people.listed()))
        elif arguments.action == "remove":
            if not people.remove_user(arguments.name):
                raise DataError(f"user {arguments.name!r}: there is no user of that name")
            log.record(database, "removed", getpass.getuser(), log.COMMAND_LINE, datetime.now(UTC), arguments.name)
        else:
            password = read_password(arguments.password_file)
            people.set_user(arguments.name, password, arguments.role, datetime.now(UTC))
            told = f"{arguments.name}: {arguments.role}"
            log.record(database, "user", getpass.getuser(), log.COMMAND_LINE, datetime.now(UTC), told)
            print(told)
    return 0


def read_password(file: Path | None) -> str:
    """The password: the first line of a file, else typed at the terminal or read from a pipe.

    Raises:
        ConfigurationError: the file cannot be read or is not UTF-8.
    """
    if file is None:
        return getpass.getpass("password: ") if sys.stdin.isatty() else sys.stdin.readline().rstrip("\r\n")
    try:
        return file.read_text(encoding="utf-8").split("\n", maxsplit=1)[0]
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{file}: cannot be read: {error}") from error
