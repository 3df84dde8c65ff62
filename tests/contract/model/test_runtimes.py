"""The rules by which two runtimes must agree, and the script that compares them."""

import importlib.util
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

SCRIPT = Path(__file__).parents[3] / "scripts" / "compare_runtimes.py"
_spec = importlib.util.spec_from_file_location("compare_runtimes", SCRIPT)
assert _spec is not None and _spec.loader is not None
compare_runtimes = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(compare_runtimes)


def run(**changed: Any) -> dict[str, Any]:
    """The answers of a runtime for 400 pictures and three sequences."""
    probabilities = np.linspace(0.0, 0.9, 400)
    whole = {
        "features": np.zeros((400, 3)),
        "probabilities": probabilities,
        "confidences": np.array([0.1, 0.48, 0.9]),
        "threshold": np.array(0.5),
        "bundle": np.array("a"),
        "pictures": np.arange(400).astype(str),
    }
    return {**whole, **changed}


def moved(pictures: int, steps: float) -> np.ndarray:
    """Probabilities, those of the first `pictures` higher by `steps` steps of 1/256."""
    probabilities = run()["probabilities"].copy()
    probabilities[:pictures] += steps / 256
    return probabilities


@pytest.mark.parametrize(
    ("changed", "rules"),
    [
        ({}, []),
        ({"probabilities": moved(400, 2.0 - 1e-9)}, []),
        ({"probabilities": moved(3, 5.9)}, []),
        ({"probabilities": moved(3, 6.1)}, ["(#1)"]),
        ({"probabilities": moved(8, 2.1)}, ["(#1)"]),
        ({"probabilities": moved(8, 7.0)}, ["(#1)", "(#1)"]),
        ({"probabilities": moved(1, np.nan)}, ["(#1)", "(#1)"]),
        ({"confidences": np.array([0.1, 0.51, 0.9])}, []),
        ({"confidences": np.array([0.1, 0.48, 0.4])}, ["(#2)"]),
    ],
    ids=[
        "equal",
        "two steps all",
        "six steps few",
        "more than six",
        "more than two for 2 %",
        "both",
        "no number",
        "a verdict at the threshold",
        "a verdict far from it",
    ],
)
def test_each_rule_finds_its_breach(changed: dict[str, Any], rules: list[str]) -> None:
    """#1 and #2, on both sides of their bounds."""
    assert [problem[-4:] for problem in compare_runtimes.problems(run(), run(**changed))] == rules


@pytest.mark.parametrize(
    ("changed", "code", "said"),
    [
        ({}, 0, ""),
        ({"probabilities": moved(3, 6.1)}, 1, "a probability is 6.10/256 off, expected at most 6/256 (#1)\n"),
        ({"bundle": np.array("b")}, 2, "expected the same bundle and pictures in both runs\n"),
    ],
    ids=["agree", "disagree", "other bundle"],
)
def test_the_exit_code_is_0_only_where_they_agree(
    tmp_path: Path, changed: dict[str, Any], code: int, said: str
) -> None:
    """Standard error gives the reason."""
    files = [tmp_path / "a.npz", tmp_path / "b.npz"]
    for file, one in zip(files, (run(), run(**changed)), strict=True):
        np.savez(file, **one)
    done = subprocess.run([sys.executable, SCRIPT, *files], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.removeprefix("compare_runtimes: ")) == (code, said)
