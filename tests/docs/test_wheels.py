"""Requirements: what a Raspberry Pi can install. `make test-resolve` asks the index; these tests ask nobody."""

import importlib.util
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("resolve_wheels", ROOT / "scripts" / "resolve_wheels.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def wheel(folder: Path, name: str, *requirements: str) -> Path:
    """A wheel of nothing but its requirements."""
    told = "".join(f"Requires-Dist: {one}\n" for one in requirements)
    path, info = folder / f"{name}-1.0-py3-none-any.whl", f"{name}-1.0.dist-info"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n{told}")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return path


def test_only_tflite_runtimes_extra_asks_for_numpy_1() -> None:
    """Debian 13 has numpy 2, and the Pi's camera works with the system's numpy alone."""
    bound = {name for name, lines in EXTRAS.items() for line in lines if re.match(r"numpy\b.*<2$", line)}
    assert bound == {"edge-tflite-runtime"}


def test_each_python_that_pi_os_has_had_is_asked(script: ModuleType) -> None:
    """With the trap, the Pi's camera, and the base station; tflite-runtime ends with 3.11."""
    asked = {(row.python, row.extras) for row in script.ROWS}
    everywhere = {(python, e) for python in ("3.11", "3.12", "3.13") for e in ("edge", "edge,pi", "collector")}
    assert asked == everywhere | {("3.11", "edge-tflite-runtime")}


@pytest.mark.heavy
def test_a_requirement_that_has_no_wheel_fails_by_its_name(script: ModuleType, tmp_path: Path) -> None:
    """Nothing is compiled on a Pi."""
    uncia = wheel(tmp_path, "uncia", "nowhere-built")
    with pytest.raises(RuntimeError, match="nowhere-built"):
        script.resolve(uncia, script.Row("3.13", 41, "edge"), tmp_path, ["--no-index"])


@pytest.mark.heavy
def test_markers_are_asked_of_the_pi(script: ModuleType, tmp_path: Path) -> None:
    """Not of the machine that asks: its Python and processor are others."""
    marks = "platform_machine == 'aarch64' and python_version == '3.13'"
    uncia = wheel(tmp_path, "uncia", f"aboard; {marks}", "elsewhere; platform_machine == 'x86_64'")
    wheel(tmp_path, "aboard")
    options = ["--no-index", "--find-links", str(tmp_path)]
    found = script.resolve(uncia, script.Row("3.13", 41, "edge"), tmp_path, options)
    assert set(found) == {"uncia", "aboard"}


def test_the_guide_keeps_the_systems_numpy_as_the_script_does(script: ModuleType, tmp_path: Path) -> None:
    """Its own two lines, run: ours leave, the system's comes in."""
    guide = (ROOT / "docs" / "field-guide.md").read_text()
    lines = re.findall(r"^ +(.* >>? constraints-pi\.txt)$", guide, re.MULTILINE)
    (tmp_path / "constraints.txt").write_text((ROOT / "constraints.txt").read_text())
    commands = "\n".join(lines).replace("python3", sys.executable)
    subprocess.run(["sh", "-ec", commands], cwd=tmp_path, check=True)
    made = (tmp_path / "constraints-pi.txt").read_text().splitlines()
    assert made == script.constraints(script.Row("3.13", 41, "edge,pi", np.__version__))
