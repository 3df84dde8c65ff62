"""The trap's configuration: paths, bounds, and errors that name the nearest valid key."""

from pathlib import Path

import pytest

from uncia_contract.errors import ConfigurationError
from uncia_edge.cli.main import main
from uncia_edge.settings import read_settings

GOOD = 'trap = "ridge-1"\nbundle = "b.uncia"\n'


def written(folder: Path, text: str) -> Path:
    """Write a configuration file with this text; return its path."""
    path = folder / "trap.toml"
    path.write_text(text)
    return path


def test_relative_paths_start_at_the_file(tmp_path: Path) -> None:
    """So a trap can be started in any folder."""
    assert read_settings(written(tmp_path, GOOD)).bundle == str(tmp_path / "b.uncia")


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (GOOD + 'bundel = "x"\n', "bundle"),
        (GOOD + "[camera]\nfoldr = 'x'\n", "folder"),
        (GOOD + "threads = 99\n", "threads"),
        ('bundle = "b"\n', "trap"),
        ('trap = "Ridge 1"\nbundle = "b"\n', "trap"),
        (GOOD + '[broker]\ncertificate = "c.pem"\n', "key"),
        ("trap = ", "not TOML"),
    ],
    ids=["unknown", "unknown below", "too many", "missing", "bad id", "half a pair", "no toml"],
)
def test_a_mistake_is_refused_by_name(tmp_path: Path, text: str, told: str) -> None:
    """The message names the key, and for an unknown one its nearest neighbour."""
    with pytest.raises(ConfigurationError, match=told):
        read_settings(written(tmp_path, text))


def test_a_byte_order_mark_is_accepted(tmp_path: Path) -> None:
    """Windows' Notepad writes one."""
    (tmp_path / "trap.toml").write_bytes(b"\xef\xbb\xbf" + GOOD.encode())
    assert read_settings(tmp_path / "trap.toml").trap == "ridge-1"


@pytest.mark.parametrize("half", ['start = "09:00"', 'end = "16:30"'])
def test_half_a_sleep_is_a_mistake(tmp_path: Path, half: str) -> None:
    """Otherwise the trap would never sleep, without a message."""
    with pytest.raises(ConfigurationError, match=r"\[sleep\] start and end belong together"):
        read_settings(written(tmp_path, GOOD + f"[sleep]\n{half}\n"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('trap = "Ridge 1"\nbundle = "b"\n', "trap: expected 1 to 32 of a-z, 0-9, _ and -, got 'Ridge 1'"),
        (GOOD + "[camera]\nkind = 'usb'\n", "[camera] kind: expected one of recorded, watched, picamera2, got 'usb'"),
        (GOOD + "[sleep]\nstart = '9'\n", '[sleep] start: expected a time from "00:00" to "23:59", got \'9\''),
        (GOOD + "[broker]\nport = 70000\n", "[broker] port: expected a whole number from 1 to 65535, got 70000"),
        (GOOD + "[camera]\nstrip_top = 0.5\n", "[camera] strip_top: expected a number from 0 below 0.5, got 0.5"),
        (GOOD + "[camera]\nquiet_s = 'x'\n", "[camera] quiet_s: expected a number above 0 to 3600, got 'x'"),
        (GOOD + "broker = 'base'\n", "broker: expected a table, got 'base'"),
        ('bundle = "b"\n', "missing key 'trap'"),
    ],
    ids=["a pattern", "a choice", "a time", "a number", "a fraction", "a text", "no table", "nothing"],
)
def test_an_error_of_a_value_names_the_valid_ones(tmp_path: Path, text: str, told: str) -> None:
    """In words, not as a regular expression."""
    with pytest.raises(ConfigurationError) as refused:
        read_settings(written(tmp_path, text))
    assert str(refused.value).endswith(told)


def test_the_command_reports_a_mistake_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, no traceback."""
    code = main(["run", "--config", str(written(tmp_path, GOOD + "frobnicate = 1\n"))])
    assert (code, capsys.readouterr().err.count("\n")) == (2, 1)
