"""Runs Coral's compiler for the Edge TPU, where it is installed, and checks its report and its result.

A model is accepted if the exit code is 0, every operator is mapped, and the result has the Edge TPU's custom operator
and the same maps as outputs as the original.
"""

import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from uncia_backbones.flatbuffer import unpack
from uncia_contract.errors import BundleError, UnciaError
from uncia_converter.edgetpu import is_compiled, objections

COMPILER = "edgetpu_compiler"
TIMEOUT_S = 600
_MAPPED = "Mapped to Edge TPU"
_ROW = re.compile(r"^([A-Z][A-Z0-9_]+)\s+(\d+)\s+(\S.*?)\s*$", re.MULTILINE)
_ON_CHIP = re.compile(r"On-chip memory used for caching model parameters:\s*(\S+)")
_OFF_CHIP = re.compile(r"Off-chip memory used for streaming uncached model parameters:\s*(\S+)")


class CompilerMissingError(UnciaError, FileNotFoundError):
    """The Edge TPU compiler is not installed."""


@dataclass(frozen=True)
class CompilerReport:
    """The compiler's report: the number of mapped operators, and the memory of the parameters, in its own words."""

    operators: int
    on_chip: str
    off_chip: str

    def sentence(self) -> str:
        """The report in one sentence, for the manifest's notes."""
        return (
            f"Edge TPU: all {self.operators} operators mapped, parameters {self.on_chip} on chip, "
            f"{self.off_chip} streamed from off chip."
        )


def compile_for_edgetpu(model: bytes) -> tuple[bytes, CompilerReport]:
    """Compile a model for the Edge TPU; return the compiled model and the report.

    Raises:
        BundleError: the Edge TPU does not support an operator, the compiler failed, or did not map all operators.
        CompilerMissingError: there is no compiler on the PATH; the message says how to get it.
    """
    found = objections(model)
    if found:
        raise BundleError(f"not for the Edge TPU: {found[0]}" + (f" (and {len(found) - 1} more)" if found[1:] else ""))
    compiler = shutil.which(COMPILER)
    if compiler is None:
        raise CompilerMissingError(
            f"no {COMPILER} on the PATH; on x86-64 Debian install the package edgetpu-compiler from Coral's "
            "repository (coral.ai, Edge TPU Compiler), or leave --edgetpu out"
        )
    with tempfile.TemporaryDirectory() as folder:
        return _compile(compiler, model, Path(folder))


def _compile(compiler: str, model: bytes, folder: Path) -> tuple[bytes, CompilerReport]:
    (folder / "model.tflite").write_bytes(model)
    said = _run([compiler, "--show_operations", "--out_dir", str(folder), str(folder / "model.tflite")])
    report = read_report(said)
    made = folder / "model_edgetpu.tflite"
    if not made.exists():
        raise BundleError(f"{COMPILER}: reported success but wrote no {made.name}")
    compiled = made.read_bytes()
    if not is_compiled(compiled):
        raise BundleError(f"{COMPILER}: wrote a model without an operator for the Edge TPU")
    if lost := [shape for shape in _maps(model) if shape not in _maps(compiled)]:
        raise BundleError(f"{COMPILER}: wrote a model that does not give the map {lost[0]}, which a second look needs")
    return compiled, report


def _maps(model: bytes) -> list[list[int]]:
    """The shapes of the outputs that are maps."""
    graph = unpack(model).subgraphs[0]
    shapes = [[int(side) for side in graph.tensors[index].shape] for index in graph.outputs]
    return [shape for shape in shapes if len(shape) == 4]


def _run(command: list[str]) -> str:
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=TIMEOUT_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise BundleError(f"{COMPILER}: {error}") from error
    said = done.stdout + done.stderr
    if done.returncode:
        last = next((line for line in reversed(said.splitlines()) if line.strip()), "no output")
        raise BundleError(f"{COMPILER}: exit code {done.returncode}: {last.strip()}")
    return said


def read_report(said: str) -> CompilerReport:
    """The report in the compiler's output.

    Raises:
        BundleError: an operator was not mapped, or there is no table of operators.
    """
    rows = [(name, int(count), status) for name, count, status in _ROW.findall(said)]
    if not rows:
        raise BundleError(f"{COMPILER}: no table of operators in its report; is it version 2 or newer?")
    left = [f"{name} x{count} ({status})" for name, count, status in rows if status != _MAPPED]
    if left:
        raise BundleError(f"{COMPILER}: not everything was mapped: {', '.join(left)}")
    return CompilerReport(sum(count for _, count, _ in rows), _found(_ON_CHIP, said), _found(_OFF_CHIP, said))


def _found(pattern: re.Pattern[str], said: str) -> str:
    match = pattern.search(said)
    return match.group(1) if match else "not stated"
