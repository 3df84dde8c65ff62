"""The certificates that `scripts/certificates.sh` makes for a base station."""

import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509

SCRIPT = Path(__file__).parents[2] / "scripts" / "certificates.sh"
pytestmark = pytest.mark.skipif(not shutil.which("openssl"), reason="NO OPENSSL: certificates were not made")


def make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, folder, *words], capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Those of a whole station."""
    folder = tmp_path_factory.mktemp("certificates")
    for words in (["broker", "base.local", "192.168.7.1"], ["collector"], ["trap", "ridge-01", "valley-02"]):
        assert make(folder, *words).returncode == 0
    return folder


@pytest.mark.parametrize("at", [60, 1_800_000_000, 2_600_000_000], ids=["1970", "2027", "2052"])
def test_they_hold_whatever_the_clock_of_a_trap_says(made: Path, at: int) -> None:
    """Strictly checked: newer Pythons ask for extensions that many scripts leave out."""
    names = [made / f"{name}.pem" for name in ("broker", "collector", "ridge-01", "valley-02")]
    command = ["openssl", "verify", "-x509_strict", "-attime", str(at), "-CAfile", made / "ca.pem", *names]
    assert subprocess.run(command, capture_output=True, check=False).returncode == 0


def test_the_broker_bears_the_names_that_traps_call_it_by(made: Path) -> None:
    """Host names and addresses."""
    certificate = x509.load_pem_x509_certificate((made / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(name.value) for name in names] == ["base.local", "192.168.7.1"]


def test_keys_are_for_their_owner_alone(made: Path) -> None:
    """The authority's above all."""
    assert {path.stat().st_mode & 0o777 for path in made.glob("*.key")} == {0o600}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["trap", "Collector"], "expected a to z"),
        (["trap", "a" * 33], "32 at most"),
        (["trap", "ridge-01"], "is there already"),
        (["broker"], "which name"),
        (["ranger"], "expected broker, collector or trap"),
    ],
    ids=["the collector's name", "too long", "twice", "no name", "nobody"],
)
def test_a_mistake_is_one_line_and_makes_nothing(made: Path, words: list[str], says: str) -> None:
    """A trap that could call itself Collector could forge its own receipts."""
    before = sorted(path.name for path in made.glob("*.pem"))
    done = make(made, *words)
    assert (done.returncode, says in done.stderr, done.stderr.count("\n")) == (2, True, 1)
    assert sorted(path.name for path in made.glob("*.pem")) == before
