"""Every command has an example in its --help and a place in the documents; every example names options that exist."""

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

import uncia_collector.cli.main
import uncia_converter.cli
import uncia_edge.cli.main
import uncia_simulation.cli
import uncia_training.cli.main

ROOT = Path(__file__).parents[2]
PROGRAMS = (
    uncia_collector.cli.main,
    uncia_converter.cli,
    uncia_edge.cli.main,
    uncia_simulation.cli,
    uncia_training.cli.main,
)
PATHS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PAGES = "\n".join(page.read_text() for page in PATHS)


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """A parser and all below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _commands(command)


COMMANDS = [command for program in PROGRAMS for command in _commands(program._parser())]
NAMES = [command.prog for command in COMMANDS]


def _examples(command: argparse.ArgumentParser) -> list[str]:
    """Lines of its epilog that begin with the command, comments to their right left out."""
    lines = [line.strip() for line in (command.epilog or "").splitlines()]
    return [re.split(r"\s{2,}", line)[0] for line in lines if re.match(rf"{command.prog}(\s|$)", line)]


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_help_has_an_example(command: argparse.ArgumentParser) -> None:
    """A line to copy, of this very command."""
    assert _examples(command)


@pytest.mark.parametrize("command", [one for one in COMMANDS if " " in one.prog], ids=lambda one: one.prog)
def test_help_of_a_command_shows_its_own_examples(command: argparse.ArgumentParser) -> None:
    """No line of a sister command of the same program."""
    program = command.prog.split()[0]
    lines = [line.strip() for line in command.format_help().partition("example")[2].splitlines()]
    assert [line for line in lines if line.startswith(program) and not line.startswith(command.prog)] == []


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_examples_are_taken(command: argparse.ArgumentParser) -> None:
    """Each example can be parsed: no option in it was renamed."""
    program = next(program for program in PROGRAMS if command.prog.startswith(program._parser().prog))
    for example in _examples(command):
        program._parser().parse_args(shlex.split(example)[1:])


@pytest.mark.parametrize("command", COMMANDS, ids=NAMES)
def test_a_page_tells_of_it(command: argparse.ArgumentParser) -> None:
    """README or docs/ name every command."""
    assert command.prog in PAGES


def _lines_to_copy(page: Path) -> list[str]:
    """Each line of a page's blocks of code, without its indent, that begins with one of the programs."""
    blocks, fenced = [], False
    for line in page.read_text().replace("\\\n", " ").splitlines():
        fenced ^= line.startswith("```")
        if fenced or line.startswith("    "):
            blocks.append(re.sub(r"^(\S*/bin/)?", "", line.strip()))
    return [line for line in blocks if re.match(r"uncia-(trap|collect|convert|train|simulate) ", line)]


@pytest.mark.parametrize("page", PATHS, ids=lambda page: page.name)
def test_lines_of_a_page_are_taken(page: Path) -> None:
    """Each command that a reader copies can be parsed; what a shell adds after it (`&&`, `|`) is left out."""
    for line in _lines_to_copy(page):
        words = shlex.split(re.split(r"\s(?:&&|\|)\s", line)[0], comments=True)
        program = next(program for program in PROGRAMS if words[0] == program._parser().prog)
        program._parser().parse_args(words[1:])
