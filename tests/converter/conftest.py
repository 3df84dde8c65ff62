"""A stand-in for Coral's compiler, which is not installed on test machines."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest

REPORT = """Edge TPU Compiler version 16.0.384591198
Started a compilation timeout timer of 180 seconds.

Model compiled successfully in 100 ms.

Input model: model.tflite
On-chip memory used for caching model parameters: 4.12MiB
On-chip memory remaining for caching model parameters: 3.50MiB
Off-chip memory used for streaming uncached model parameters: 1.50KiB
Number of Edge TPU subgraphs: 1
Total number of operations: 5

Operator                       Count      Status

CONV_2D                        3          Mapped to Edge TPU
FULLY_CONNECTED                1          {status}
SOFTMAX                        1          Mapped to Edge TPU
"""


@pytest.fixture
def compiler_says() -> Callable[[str], str]:
    """The compiler's report for a model whose dense layer has that status."""
    return lambda status="Mapped to Edge TPU": REPORT.format(status=status)


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Puts a stand-in on the PATH with the report and result that a test needs."""
    folder = tmp_path / "compiler"
    folder.mkdir()

    def install(said: str, leaves: bytes | None, code: int = 0) -> None:
        (folder / "said").write_text(said)
        copy = ""
        if leaves is not None:
            (folder / "left").write_bytes(leaves)
            copy = f'cp {folder}/left "$3/model_edgetpu.tflite"\n'
        program = folder / "edgetpu_compiler"
        program.write_text(f"#!/bin/sh\n/bin/cat {folder}/said\nPATH=/bin:/usr/bin\n{copy}exit {code}\n")
        program.chmod(program.stat().st_mode | stat.S_IXUSR)

    monkeypatch.setenv("PATH", str(folder))
    return install
