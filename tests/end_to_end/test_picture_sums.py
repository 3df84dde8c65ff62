"""Every command that reads pictures ends with a sum that adds up: one rendered card with a picture of every kind."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.contract.pictures.render_card import CLOSED, FAILED, LINES, SUM, card, close
from tests.end_to_end.conftest import STARTER

from uncia_edge.cli.main import main as trap
from uncia_simulation.cli import main as simulate
from uncia_training.cli.main import main as train


@pytest.fixture
def every_kind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The card, one folder of it unreadable."""
    close(monkeypatch)
    return card(tmp_path / "card")


Run = tuple[Callable[[list[str]], int], Callable[[str, str], list[str]], str]
BUNDLE = ["--bundle", str(STARTER)]
COMMANDS: dict[str, Run] = {
    "uncia-trap score": (trap, lambda card, out: ["score", card, *BUNDLE, "--json", f"{out}/o.json"], "o.json"),
    "uncia-train score": (train, lambda card, out: ["score", card, *BUNDLE, "--out", out], "scores.json"),
    "uncia-train features": (
        train, lambda card, out: ["features", "--archive", card, *BUNDLE, "--out", f"{out}/f.parquet"], "",
    ),
    "uncia-simulate": (
        simulate, lambda card, out: ["--bursts", card, *BUNDLE, "--out", out, "--json", f"{out}/o.json"], "o.json",
    ),
}  # fmt: skip


@pytest.mark.heavy
@pytest.mark.parametrize("name", COMMANDS)
def test_the_counts_of_pictures_add_up(
    every_kind: Path,
    tmp_path: Path,
    name: str,
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Found = used + failed + left out, in words and JSON; each failure is named once, and so is the closed folder."""
    main, arguments, report = COMMANDS[name]
    out = tmp_path / "out"
    out.mkdir()
    code = main(arguments(str(every_kind), str(out)))
    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert (code, lines[-2:]) == (1, LINES), said
    named = (said.out + said.err + caplog.text).replace("\n", " ")
    assert [named.count(f"{file}: ") for file in (*FAILED, f"/{CLOSED}")] == [1] * 5, said
    if report:
        written = json.loads((out / report).read_text())
        assert written.get("pictures", written.get("info", {}).get("pictures")) == SUM
