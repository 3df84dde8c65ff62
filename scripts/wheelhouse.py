"""Fill a folder with the wheels that trap and base station need, for a machine without internet: `make wheelhouse`.

    python scripts/wheelhouse.py [FOLDER] [--machine x86_64]

It is for Raspberry Pi OS (aarch64) on Debian 12 and 13, with Python 3.11 and 3.13. On that machine install with:

    /opt/uncia/bin/pip install --no-index --find-links wheelhouse 'uncia[edge]'

The script needs the package index; wheels that are in the folder already are not downloaded again.
"""

import argparse
import subprocess
import sys
from pathlib import Path

from resolve_wheels import ROOT, build, pip

MACHINES = (("3.11", 36), ("3.13", 41))  # Python, and the minor version of glibc: Debian 12 and 13


def fetch(wheel: Path, extras: str, python: str, glibc: int, machine: str, folder: Path) -> None:
    """Download the wheel's requirements in the versions of constraints.txt."""
    command = [
        *pip(python, glibc, machine, "download", "--constraint", str(ROOT / "constraints.txt")),
        *("--find-links", str(folder), "--dest", str(folder), f"uncia[{extras}] @ {wheel.as_uri()}"),
    ]
    subprocess.run(command, check=True)


def main() -> int:
    """Build our wheel and download all others."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", default=Path("wheelhouse"))
    parser.add_argument("--machine", choices=["aarch64", "x86_64"], default="aarch64")
    given = parser.parse_args()
    folder = given.folder.absolute()
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("uncia-*.whl"):
        old.unlink()
    wheel = build(folder)
    for python, glibc in MACHINES:
        for extras in ("edge", "collector"):
            fetch(wheel, extras, python, glibc, given.machine, folder)
    wheels = [*folder.glob("*.whl")]
    size_mb = sum(path.stat().st_size for path in wheels) / 1e6
    print(f"{folder}: {len(wheels)} wheels for {given.machine}, Python 3.11 and 3.13, {size_mb:.0f} MB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
