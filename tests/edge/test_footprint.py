"""What the trap costs before it has seen a frame."""

import json
import subprocess
import sys

import pytest

PROBE = """
import json, sys
import uncia_edge.runtime
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
heavy = {"tensorflow", "keras", "sklearn", "scipy", "torch", "pandas", "matplotlib"} & set(sys.modules)
print(json.dumps([sorted(heavy), int(status["VmHWM"].split()[0])]))
"""


@pytest.fixture(scope="module")
def footprint() -> tuple[list[str], int]:
    """Heavy modules loaded and peak memory in kB, in a process that imports all that the trap wires."""
    out = subprocess.run([sys.executable, "-c", PROBE], capture_output=True, text=True, check=True).stdout
    heavy, kilobytes = json.loads(out)
    return heavy, kilobytes


def test_the_trap_imports_nothing_of_the_workstation(footprint: tuple[list[str], int]) -> None:
    """No TensorFlow, Keras, scikit-learn or torch, however indirectly."""
    assert footprint[0] == []


def test_the_trap_is_small_before_its_first_frame(footprint: tuple[list[str], int]) -> None:
    """Under 100 MB: a Pi Zero has 512."""
    assert footprint[1] < 100_000


def test_decoded_pictures_are_given_back_at_once() -> None:
    """On glibc the size from which memory is mapped apart stays fixed."""
    from uncia_edge.memory import return_large_blocks

    assert return_large_blocks() is True
