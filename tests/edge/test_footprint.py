"""Memory and imports of the trap before its first frame, and the packages that its tests need."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, sys
import uncia_edge.service.runtime, uncia_edge.cli.main, uncia_edge.cli.run
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
heavy = {"tensorflow", "keras", "sklearn", "scipy", "torch", "pandas", "matplotlib"} & set(sys.modules)
heavy |= {name for name in sys.modules if name.startswith(("uncia_contract.datasets", "uncia_contract.pictures.other"))}
print(json.dumps([sorted(heavy), int(status["VmHWM"].split()[0])]))
"""

EVERY_MODULE = """
import importlib, json, pkgutil
import numpy, uncia_edge
found = [name for _, name, _ in pkgutil.walk_packages(uncia_edge.__path__, "uncia_edge.")]
for name in found:
    importlib.import_module(name)
print(json.dumps([len(found), numpy.__version__]))
"""


@pytest.fixture(scope="module")
def footprint() -> tuple[list[str], int]:
    """The heavy modules loaded and the peak memory in kB of a process that imports the whole trap."""
    out = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True).stdout
    heavy, kilobytes = json.loads(out)
    return heavy, kilobytes


def test_the_trap_imports_nothing_of_the_workstation(footprint: tuple[list[str], int]) -> None:
    """No TensorFlow, Keras, scikit-learn or torch, no reader of data sets, however indirectly."""
    assert footprint[0] == []


def test_all_of_the_trap_imports_on_numpy_2() -> None:
    """Debian 13 has only numpy 2; its warnings are errors here."""
    told = subprocess.run(
        [sys.executable, "-W", "error", "-c", EVERY_MODULE], capture_output=True, text=True, check=False
    )
    assert (told.stderr, told.returncode) == ("", 0)
    modules, numpy = json.loads(told.stdout)
    assert (modules > 60, numpy.split(".")[0]) == (True, "2")


def test_the_trap_is_small_before_its_first_frame(footprint: tuple[list[str], int]) -> None:
    """Under 100 MB: a Pi Zero has 512."""
    assert footprint[1] < 100_000


def test_memory_of_decoded_pictures_is_returned_at_once() -> None:
    """On glibc the threshold for own mappings stays fixed."""
    from uncia_edge.scoring.memory import return_large_blocks

    assert return_large_blocks() is True


def test_the_tests_of_trap_and_contract_need_no_other_package() -> None:
    """`make test-arm64` runs them where only these two packages are installed."""
    foreign = re.compile(r"^\s*(?:from|import) uncia_(?!contract|edge)", re.MULTILINE)
    tests = Path(__file__).parents[1]
    found = [path for folder in ("contract", "edge") for path in (tests / folder).rglob("*.py")]
    found = [path for path in found if not path.name.startswith("render_")]  # these are run by hand
    for path in found:  # grows by what they use of tests/support
        used = re.findall(r"^\s*from support\.(\w+)", path.read_text(), re.MULTILINE)
        found += [one for name in used if (one := tests / "support" / f"{name}.py") not in found]
    assert [path.name for path in found if foreign.search(path.read_text())] == []


def test_the_tests_that_debian_13_runs_on_arm64_are_there() -> None:
    """`scripts/test-arm64.sh` names files and tests."""
    root = Path(__file__).parents[2]
    script = (root / "scripts" / "test-arm64.sh").read_text()
    named = re.findall(r"(tests/[\w/]+\.py)(?:::(\w+))?", script.partition("PROVING=")[2])
    assert named
    assert [(path, name) for path, name in named if f"def {name}" not in (root / path).read_text()] == []
