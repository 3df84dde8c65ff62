"""The certificates of a base station: who gets one, what it says, how long it holds."""

import shutil
import subprocess
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from uncia_collector.certificates.folder import CertificateFolder
from uncia_collector.cli.main import main
from uncia_contract.errors import ConfigurationError, DataError

NOW = datetime(2026, 11, 30, tzinfo=UTC)
NAMES = ["base.local", "192.168.7.1", "fe80::1"]
needs_openssl = pytest.mark.skipif(not shutil.which("openssl"), reason="NO OPENSSL: certificates were not verified")


def certificates(*words: object) -> int:
    return main(["certificates", *map(str, words)])


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """Those of a whole station."""
    assert certificates("init", tmp_path, *NAMES) == 0
    assert certificates("issue", tmp_path, "ridge-01", "7ridge", "deadbeef", "--member", "north") == 0
    return tmp_path


def holding(folder: Path, name: str) -> int:
    entries = CertificateFolder(folder, NOW).entries()
    return sum(entry.name == name and entry.revoked_at is None for entry in entries)


@needs_openssl
@pytest.mark.parametrize("at", [60, 1_800_000_000, 2_600_000_000], ids=["1970", "2027", "2052"])
def test_they_hold_whatever_a_clock_says(made: Path, at: int) -> None:
    """Strictly checked, and against the list of revoked ones, which never expires either."""
    names = [made / f"{name}.pem" for name in ("broker", "collector", "collector-north", "check", "ask", "ridge-01")]
    command = ["openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", made / "crl.pem", "-attime", str(at)]
    assert subprocess.run([*command, "-CAfile", made / "ca.pem", *names], check=False).returncode == 0


def test_the_broker_bears_names_and_addresses_each_as_what_it_is(made: Path) -> None:
    """A host name, IPv4, IPv6."""
    certificate = x509.load_pem_x509_certificate((made / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["base.local"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("192.168.7.1"), ip_address("fe80::1")]


@pytest.mark.parametrize("trap", ["7ridge", "deadbeef"], ids=["begins with a digit", "looks hexadecimal"])
def test_a_trap_of_any_id_has_its_certificate_and_key(made: Path, trap: str) -> None:
    """The script of release 0.1 deleted the first kind."""
    assert (made / f"{trap}.pem").exists() and (made / f"{trap}.key").exists()


def test_keys_are_for_their_owner_alone(made: Path) -> None:
    """The authority's above all."""
    assert {path.stat().st_mode & 0o777 for path in made.glob("*.key")} == {0o600}


def test_begun_again_it_makes_nothing_anew(made: Path) -> None:
    """What is there stays; the broker's own changes with its names."""
    before = {path.name: path.read_bytes() for path in made.glob("*.key")}
    assert certificates("init", made, *NAMES) == certificates("init", made) == 0
    assert {path.name: path.read_bytes() for path in made.glob("*.key")} == before
    assert certificates("init", made, "other.local") == 0
    assert (made / "broker.key").read_bytes() != before["broker.key"]


def test_a_renewed_one_and_the_one_before_hold_both(made: Path) -> None:
    """Until the older is revoked."""
    before = (made / "ridge-01.pem").read_bytes()
    assert certificates("renew", made, "ridge-01", "Broker") == 0
    assert (made / "ridge-01.pem").read_bytes() != before
    assert holding(made, "ridge-01") == 2
    assert CertificateFolder(made, NOW).revoke(["ridge-01"], older=True) == 1
    assert holding(made, "ridge-01") == 1


def request(name: str) -> bytes:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    made = x509.CertificateSigningRequestBuilder().subject_name(subject)
    return made.sign(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def test_a_request_of_a_trap_is_signed_for_its_own_name_alone(made: Path) -> None:
    """Over MQTT it comes from the trap; one for another name, or for the collector's, is refused."""
    folder = CertificateFolder(made, NOW)
    signed = x509.load_pem_x509_certificate(folder.renew_for("ridge-01", request("ridge-01")))
    assert signed.subject.rfc4514_string() == "CN=ridge-01" and holding(made, "ridge-01") == 2
    for asked in (request("7ridge"), request("Collector"), b"none"):
        with pytest.raises(DataError, match=r"its request is for CN=|no certificate request"):
            folder.renew_for("ridge-01", asked)
    assert holding(made, "ridge-01") == 2


def test_a_name_whose_certificates_were_revoked_is_issued_again(made: Path) -> None:
    """The trap that stands where a stolen one stood."""
    assert CertificateFolder(made, NOW).revoke(["ridge-01"]) == 1
    assert certificates("issue", made, "ridge-01") == 0
    assert holding(made, "ridge-01") == 1


def test_a_folder_of_release_0_1_is_taken_as_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """OpenSSL's index, with dates of two digits too; the broker's name was its common name."""
    assert certificates("init", tmp_path, "base.local") == 0
    lines = (tmp_path / "issued.txt").read_text().replace("/CN=Broker", "/CN=base.local").splitlines(keepends=True)
    (tmp_path / "issued.txt").write_text(
        "".join(lines[:2]) + "V\t490101000000Z\t\t0A\tunknown\t/CN=ridge-01\n"
        "R\t560101000000Z\t260101000000Z,keyCompromise\t0B\tunknown\t/CN=valley-02\n"
    )
    for path in [*tmp_path.glob("check.*"), *tmp_path.glob("ask.*"), tmp_path / "crl.pem", tmp_path / "uncia.acl"]:
        path.unlink()
    assert certificates("init", tmp_path) == certificates("renew", tmp_path, "Broker") == 0
    assert certificates("list", tmp_path) == 0
    said = capsys.readouterr().out
    assert "ridge-01                         2049-01-01  holds" in said
    assert "valley-02                        2056-01-01  revoked 2026-01-01" in said
    assert (tmp_path / "check.pem").exists() and (tmp_path / "crl.pem").exists()


def test_a_station_whose_clock_was_lost_issues_nothing(tmp_path: Path) -> None:
    """It would say that they end in 2000."""
    with pytest.raises(ConfigurationError, match="clock says 1970-01-01; set it"):
        CertificateFolder(tmp_path, datetime(1970, 1, 1, tzinfo=UTC)).begin(["base.local"])
    assert not (tmp_path / "ca.pem").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["issue", "Collector"], "expected 1 to 32 of a-z"),
        (["issue", "a" * 33], "expected 1 to 32"),
        (["issue", "ca"], "a name of the station's own files"),
        (["issue", "collector-north"], "a name of the station's own files"),
        (["issue", "ridge-01"], "renew it, or revoke it first"),
        (["issue"], "expected trap ids"),
        (["issue", "--member", "North"], "expected 1 to 20 of a-z"),
        (["renew", "ridge-02"], "there are 7ridge, Ask, Broker"),
        (["revoke", "ridge-02"], "no certificate was issued"),
        (["init", "base local"], "neither a host name nor"),
        (["init", "1.2.3"], "neither a host name nor"),
    ],
    ids=[
        *("the collector's name", "too long", "the authority's file", "a member's file", "twice", "nobody"),
        *("a member's capital", "unknown to renew", "unknown to revoke", "a space", "half an address"),
    ],
)
def test_a_mistake_is_one_line_and_makes_nothing(
    made: Path, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    """A trap that could call itself Collector could forge its own receipts."""
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    code, error = certificates(words[0], made, *words[1:]), capsys.readouterr().err
    assert (code, says in error, error.count("\n")) == (2, True, 1), error
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_without_a_name_for_the_broker_it_asks(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line."""
    assert certificates("init", tmp_path) == 2
    assert "which names and addresses" in capsys.readouterr().err
