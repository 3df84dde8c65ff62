"""The parts that every command has in common: parser, help, error line, exit code.

Exit codes: what the command returns; 2 for a mistake in input, configuration or environment; 130 for an interrupt.

Pillow's warnings are switched off: cameras write damaged EXIF into thousands of good pictures, and a command reports a
bad picture itself.
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
    """A program's parser, and the function that adds a command to it (`_add_command` without its first two arguments).

    Args:
        prog: the program's name.
        description: the first lines of its help.
        examples: the last lines of its help, printed as they are.
        required: whether a command must be given.
    """
    parser = ArgumentParser(
        prog=prog, description=description, epilog=examples, formatter_class=RawDescriptionHelpFormatter
    )
    parser.add_argument("--version", action="version", version=f"uncia {_version()}")
    return parser, partial(_add_command, parser.add_subparsers(required=required, metavar="COMMAND"), examples)


def _version() -> str:
    """The version of the installed distribution; "(not installed)" in a clone that is not installed."""
    try:
        return version("uncia")
    except PackageNotFoundError:
        return "(not installed)"


def _add_command(
    commands: Any, of_program: str, name: str, text: str, examples: str | None = None, description: str | None = None
) -> ArgumentParser:
    """The parser of a new command, without arguments yet.

    Args:
        commands: argparse's subparsers of the program.
        of_program: the program's examples.
        name: the command's name.
        text: its line in the program's help.
        examples: the last lines of its own help; None for those of the program's examples that call this command.
        description: the first lines of its own help; None for `text`.
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
    """The example lines that begin with the command, with the indented lines that continue them."""
    shown, own = [], False
    for line in of_program.splitlines(keepends=True):
        own = line.split()[: len(command.split())] == command.split() or (own and line.startswith("   "))
        shown += [line] * own
    return "examples:\n" + "".join(shown)


def run_command(parser: ArgumentParser, argv: Sequence[str] | None = None, log_level: int | None = None) -> int:
    """Parse the command line, run the command and return its exit code.

    Args:
        parser: its commands have set `run`, a function from the parsed arguments to an exit code.
        argv: the arguments; None for those of the process.
        log_level: log lines of this level or above go to stderr with level and module; None leaves logging as it is.
    """
    arguments = parser.parse_args(argv)
    warnings.filterwarnings("ignore", category=UserWarning, module="PIL")
    if log_level is not None:
        logging.basicConfig(level=log_level, format="%(levelname)s %(name)s: %(message)s", stream=sys.stderr)
    try:
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except UnciaError as error:
        return _print_error(f"{parser.prog}: {error}", 2)
    except KeyboardInterrupt:
        return _print_error(f"{parser.prog}: interrupted", 130)
    except BrokenPipeError:  # such as `uncia-trap log | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def _print_error(line: str, code: int) -> int:
    print(line, file=sys.stderr)
    return code
