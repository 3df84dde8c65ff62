"""The trap's configuration: mistakes are told with their neighbours."""

from pathlib import Path

import pytest

from uncia_contract.errors import ConfigurationError
from uncia_edge.cli.main import main
from uncia_edge.settings import read_settings

GOOD = 'trap = "ridge-1"\nbundle = "b.uncia"\n'


def written(folder: Path, text: str) -> Path:
    """A configuration file with that text."""
    path = folder / "trap.toml"
    path.write_text(text)
    return path


def test_relative_paths_are_seen_from_the_file(tmp_path: Path) -> None:
    """So that a trap starts from any folder."""
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


def test_the_command_tells_a_mistake_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Exit code 2, no traceback."""
    code = main(["run", "--config", str(written(tmp_path, GOOD + "frobnicate = 1\n"))])
    assert (code, capsys.readouterr().err.count("\n")) == (2, 1)
