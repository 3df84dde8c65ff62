"""How every command of uncia is laid out and ends: its help, what it says on its way out, with which exit code.

Decides as well that Pillow's warnings are nobody's concern: of damaged EXIF a camera writes thousands, and the pictures
are good; of a picture that is not, the command speaks itself.

Exit codes: what the command says, else 0 done, 2 a mistake in input, configuration or surroundings, 130 interrupted.
"""

import logging
import os
import sys
import warnings
from argparse import ArgumentParser, RawDescriptionHelpFormatter
from collections.abc import Callable, Sequence
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from uncia_contract.errors import UnciaError


def program(
    prog: str, description: str, examples: str, required: bool = True
) -> tuple[ArgumentParser, Callable[..., ArgumentParser]]:
    """A program's parser, and the function that adds a command to it (`_add_command` from `name` on).

    Args:
        prog: the program's name.
        description: with which its help begins.
        examples: with which its help ends, laid out as they are.
        required: a command must be given.
    """
    parser = ArgumentParser(
        prog=prog, description=description, epilog=examples, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"uncia {_version()}")
    return parser, partial(_add_command, parser.add_subparsers(required=required, metavar="COMMAND"), examples)


def _version() -> str:
    """Of the installed distribution; a clone that is not installed says so."""
    try:
        return version("uncia")
    except PackageNotFoundError:
        return "(not installed)"


def _add_command(
    commands: Any, of_program: str, name: str, text: str, examples: str | None = None, description: str | None = None
) -> ArgumentParser:
    """A command, to be given its arguments.

    Args:
        commands: argparse's subparsers of the program.
        of_program: the program's examples.
        name: what is typed.
        text: its line in the program's help.
        examples: with which its own help ends; those of the program that are of this command where None.
        description: with which its own help begins; `text` where None.
    """
    command: ArgumentParser = commands.add_parser(
        name,
        help=text,
        description=description or text,
        epilog=examples,
        formatter_class=RawDescriptionHelpFormatter,
    )
    if examples is None:
        command.epilog = _own_examples(of_program, command.prog)
    return command


def _own_examples(of_program: str, command: str) -> str:
    """The lines that begin with the command, and the deeper ones that go on below them."""
    shown, own = [], False
    for line in of_program.splitlines(keepends=True):
        own = line.split()[: len(command.split())] == command.split() or (own and line.startswith("   "))
        shown += [line] * own
    return "examples:\n" + "".join(shown)


def run_command(parser: ArgumentParser, argv: Sequence[str] | None = None, log_level: int | None = None) -> int:
    """Reads the command line and does what it says; the exit code.

    Args:
        parser: its commands have set `run`, a function from the arguments to an exit code.
        argv: the arguments; those of the process where None.
        log_level: from which on log lines go to stderr, each with its level and the module that speaks; None as it is.
    """
    arguments = parser.parse_args(argv)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    if log_level is not None:
        logging.basicConfig(level=log_level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except UnciaError as error:
        return _said(f"{parser.prog}: {error}", 2)
    except KeyboardInterrupt:
        return _said(f"{parser.prog}: interrupted", 130)
    except BrokenPipeError:  # such as `uncia-trap log | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _said(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code
