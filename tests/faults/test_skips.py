"""With `--forbid-skips` (`make test-faults`), tests fail and do not skip if a program is missing."""

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = {
    "test_skips.py": """
import pytest
@pytest.fixture
def part(): pytest.skip("gone from a fixture")
def test_a(): pytest.skip("gone in a test")
@pytest.mark.skip(reason="gone by a mark")
def test_b(): pass
def test_c(part): pass
""",
    "test_module.py": "import pytest\npytest.skip('gone as a module', allow_module_level=True)\n",
    "test_others.py": "import pytest\ndef test_d(): pass\n@pytest.mark.xfail\ndef test_e(): assert False\n",
}


def run(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on the files, with the repository's own hooks."""
    for name, text in FILES.items():
        (folder / name).write_text(text)
    own = ["-c", "/dev/null", "--rootdir", str(folder), "-p", "no:cacheprovider", "-p", "tests.conftest"]
    command = [sys.executable, "-m", "pytest", "-q", *own, "--continue-on-collection-errors", *options, str(folder)]
    environment = {name: value for name, value in os.environ.items() if name != "UNCIA_ARM64"}
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


def test_each_kind_of_forbidden_skip_fails(tmp_path: Path) -> None:
    """A skip in a test, by a mark, in a fixture or of a module is a failure or error that gives the reason."""
    done = run(tmp_path, "--forbid-skips")
    assert done.returncode == 1 and "1 failed, 1 passed, 1 xfailed, 3 errors" in done.stdout, done.stdout
    for where in ("from a fixture", "in a test", "by a mark", "as a module"):
        assert f"gone {where}" in done.stdout


def test_permitted_skips_are_skips(tmp_path: Path) -> None:
    """Without the option the same tests are skipped, and the run passes."""
    done = run(tmp_path)
    assert done.returncode == 0 and "1 passed, 4 skipped, 1 xfailed" in done.stdout, done.stdout + done.stderr
