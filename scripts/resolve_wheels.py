"""Test that uncia can be installed on a Raspberry Pi from wheels only: `make test-resolve`.

    python scripts/resolve_wheels.py

It builds the wheel and lets pip resolve its requirements for aarch64, as in the field guide, without installing them.
A row is a Python version, a glibc version, extras and perhaps the system's numpy. It needs the package index; exit code
1 and pip's reason if a row cannot be resolved.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# pip evaluates the markers of requirements for the machine that it runs on; this program replaces that machine.
PIP = """
import sys
from pip._vendor.packaging import markers
ours, version, machine = markers.default_environment, sys.argv.pop(1), sys.argv.pop(1)
markers.default_environment = lambda: {**ours(), "platform_machine": machine, "python_version": version,
                                       "python_full_version": version + ".0"}
from pip._internal.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@dataclass(frozen=True)
class Row:
    """A machine and what is installed there; `numpy` is the system's version, None if pip chooses one."""

    python: str
    glibc: int  # the minor version
    extras: str
    numpy: str | None = None

    def __str__(self) -> str:
        own = f", the system's numpy {self.numpy}" if self.numpy else ""
        return f"Python {self.python}, glibc 2.{self.glibc}, uncia[{self.extras}]{own}"


# Debian 12, Ubuntu 24.04 and Debian 13; the Pi's camera comes from the system, compiled for the system's numpy.
ROWS = (
    *(
        Row(*machine, extras)
        for machine in (("3.11", 36), ("3.12", 39), ("3.13", 41))
        for extras in ("edge", "collector")
    ),
    Row("3.11", 36, "edge,pi", "1.24.2"),
    Row("3.12", 39, "edge,pi", "1.26.4"),
    Row("3.13", 41, "edge,pi", "2.2.4"),
    Row("3.11", 36, "edge-tflite-runtime"),
)


def build(folder: Path) -> Path:
    """Build the wheel of this working copy; return its path."""
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(folder), str(ROOT)]
    subprocess.run(command, check=True)
    return next(folder.glob("uncia-*.whl"))


def pip(python: str, glibc: int, machine: str, *words: str) -> list[str]:
    """The command line of a pip that accepts only wheels for this Python, glibc (minor version) and machine."""
    platforms = [f"manylinux_2_{n}_{machine}" for n in range(17, glibc + 1)] + [f"manylinux2014_{machine}"]
    return [
        *(sys.executable, "-c", PIP, python, machine, *words, "--quiet", "--disable-pip-version-check"),
        *("--only-binary=:all:", "--implementation", "cp", "--python-version", python),
        *(part for platform in platforms for part in ("--platform", platform)),
    ]


def resolve(wheel: Path, row: Row, folder: Path, options: Sequence[str] = ()) -> dict[str, str]:
    """The versions that pip would install, by name.

    Raises:
        RuntimeError: no set of wheels meets all requirements; the text is pip's.
    """
    limits = folder / "constraints.txt"
    limits.write_text("\n".join(constraints(row)))
    report = folder / "report.json"
    command = [
        *pip(row.python, row.glibc, "aarch64", "install", "--dry-run", "--ignore-installed", "--report", str(report)),
        *("--target", str(folder / "target"), "--constraint", str(limits), *options),
        f"uncia[{row.extras}] @ {wheel.as_uri()}",
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError("\n".join(line for line in done.stderr.splitlines() if not line.startswith("WARNING")))
    found = json.loads(report.read_text())
    if found["environment"]["platform_machine"] != "aarch64":
        raise RuntimeError("this pip does not take the Pi's markers; use another version of pip")
    return {one["metadata"]["name"].lower(): one["metadata"]["version"] for one in found["install"]}


def constraints(row: Row) -> list[str]:
    """The lines of constraints.txt for a row; the system's numpy, if there is one, replaces ours.

    For tflite-runtime there are none, because the constraints were tested with numpy 2.
    """
    if "tflite-runtime" in row.extras:
        return []
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    if row.numpy is None:
        return lines
    return [line for line in lines if not line.startswith(("numpy==", "ml_dtypes=="))] + [f"numpy=={row.numpy}"]


def main() -> int:
    """Resolve every row and print the results; return the exit code."""
    failed = 0
    with tempfile.TemporaryDirectory() as place:
        wheel = build(Path(place))
        for row in ROWS:
            try:
                found = resolve(wheel, row, Path(place))
            except RuntimeError as error:
                failed += 1
                print(f"test-resolve: {row}: FAILS\n{error}", flush=True)
            else:
                runtime = next((f"{n} {v}" for n, v in found.items() if n in ("ai-edge-litert", "tflite-runtime")), "-")
                print(f"test-resolve: {row}: {len(found)} wheels, numpy {found['numpy']}, {runtime}", flush=True)
    print(f"test-resolve: {len(ROWS) - failed} of {len(ROWS)} resolve")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
