"""A file that cannot be read is named and the others are scored, with exit code 1; when it can be read, with 0."""

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.end_to_end.conftest import STARTER

from support.root_rights import obeying_rights
from uncia_edge.cli.main import main as trap
from uncia_simulation.cli import main as simulation
from uncia_training.cli.main import main as training

BUNDLE = ["--bundle", str(STARTER)]
Command = Callable[[Path, Path], int]
COMMANDS: dict[str, Command] = {
    "uncia-trap score": lambda folder, out: trap(["score", str(folder), *BUNDLE, "--json", str(out / "o.json")]),
    "uncia-train score": lambda folder, out: training(
        ["score", str(folder), *BUNDLE, "--out", str(out), "--write", "csv"]
    ),
    "uncia-train features": lambda folder, out: training(
        ["features", "--archive", str(folder), *BUNDLE, "--out", str(out / "f.parquet")]
    ),
    "uncia-simulate": lambda folder, out: simulation(["--bursts", str(folder), *BUNDLE, "--out", str(out)]),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_file_that_cannot_be_read_is_named_until_it_can(
    recording: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str], command: str
) -> None:
    """`chmod 000` on one of six pictures."""
    closed, codes = recording / "burst-01" / "IMG_0001.JPG", list[int]()
    with obeying_rights():
        for mode in (0, 0o644):
            closed.chmod(mode)
            codes.append(COMMANDS[command](recording, tmp_path / "out"))
    said = "".join(capfd.readouterr())
    assert codes == [1, 0]
    assert f"{closed.relative_to(recording)}: cannot be read: Permission denied" in said
    assert said.count("6 pictures found: ") == said.count(", 1 failed") + said.count(", 0 failed") == 2
