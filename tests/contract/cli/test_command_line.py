"""How a command ends: its exit code, one line on stderr for a mistake, no traceback."""

import os
import subprocess
import sys
from argparse import ArgumentParser

import pytest

from uncia_contract.cli.command_line import program, run_command
from uncia_contract.errors import DataError

PRINT_LINES = """
from argparse import ArgumentParser
from uncia_contract.cli.command_line import run_command
parser = ArgumentParser("uncia-talk")
parser.set_defaults(run=lambda arguments: [print(n) for n in range({lines})] and {code})
raise SystemExit(run_command(parser))
"""

DAMAGED_EXIF = """
import io
from argparse import ArgumentParser
from PIL import Image
from uncia_contract.cli.command_line import run_command
from uncia_contract.pictures.jpeg import open_jpeg
file = io.BytesIO()
cut = bytes.fromhex("457869660000 49492a0008000000 0500 120103000100 0000")
Image.new("RGB", (64, 64)).save(file, "jpeg", exif=cut)
parser = ArgumentParser("uncia-look")
parser.set_defaults(run=lambda arguments: print(open_jpeg(file.getvalue()).size) or 0)
raise SystemExit(run_command(parser))
"""


def _parser(run) -> ArgumentParser:
    parser = ArgumentParser("uncia-talk")
    parser.set_defaults(run=run)
    return parser


def _raises(error: BaseException):
    def run(arguments) -> int:
        raise error

    return run


@pytest.mark.parametrize(
    ("run", "code", "said"),
    [
        (lambda arguments: 0, 0, ""),
        (lambda arguments: 1, 1, ""),
        (_raises(DataError("labels.csv: is empty")), 2, "uncia-talk: labels.csv: is empty\n"),
        (_raises(KeyboardInterrupt()), 130, "uncia-talk: interrupted\n"),
    ],
    ids=["done", "its own code", "a mistake", "Ctrl-C"],
)
def test_how_a_command_ends(run, code: int, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Messages go to stderr."""
    assert run_command(_parser(run), []) == code
    assert capsys.readouterr() == ("", said)


def test_a_bug_keeps_its_traceback() -> None:
    """An error that is no UnciaError is a bug."""
    with pytest.raises(ZeroDivisionError):
        run_command(_parser(lambda arguments: 1 // 0), [])


@pytest.mark.parametrize("lines", [3, 100_000], ids=["all in the buffer", "more than a pipe holds"])
def test_a_closed_pipe_is_not_an_error(lines: int) -> None:
    """As with `| head`: no message, exit code 0, whether the closed pipe is noticed while printing or at the end."""
    talk = [sys.executable, "-c", PRINT_LINES.format(lines=lines, code=0)]
    buffered = {name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}
    with subprocess.Popen(talk, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=buffered) as program:
        program.stdout.close()
        assert (program.stderr.read(), program.wait()) == (b"", 0)


def test_damaged_exif_of_a_good_picture_gives_no_warning() -> None:
    """Pillow's warning would break a progress line on stderr."""
    told = subprocess.run([sys.executable, "-c", DAMAGED_EXIF], capture_output=True, text=True, check=True)
    assert (told.stdout, told.stderr) == ("(64, 64)\n", "")


def test_a_command_ends_its_help_with_its_own_examples_or_the_programs() -> None:
    """The examples keep their layout and are the last lines."""
    parser, add = program("uncia-talk", "It talks.", "examples:\n  uncia-talk say")
    commands = [parser, add("say", "say it"), add("sing", "sing it", "examples:\n  uncia-talk sing  loud")]
    assert [command.format_help().rpartition("\n\n")[2] for command in commands] == [
        "examples:\n  uncia-talk say\n", "examples:\n  uncia-talk say\n", "examples:\n  uncia-talk sing  loud\n",
    ]  # fmt: skip
