"""The certificates of a base station: who gets one, its fields, its dates."""

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
    """The certificates of a whole station."""
    assert certificates("init", tmp_path, *NAMES) == 0
    assert certificates("issue", tmp_path, "ridge-01", "7ridge", "deadbeef", "--member", "north") == 0
    return tmp_path


def holding(folder: Path, name: str) -> int:
    entries = CertificateFolder(folder, NOW).entries()
    return sum(entry.name == name and entry.revoked_at is None for entry in entries)


@needs_openssl
@pytest.mark.parametrize("at", [60, 1_800_000_000, 2_600_000_000], ids=["1970", "2027", "2052"])
def test_certificates_are_valid_at_any_clock_time(made: Path, at: int) -> None:
    """OpenSSL verifies them strictly and against the revocation list, which does not expire either."""
    names = [made / f"{name}.pem" for name in ("broker", "collector", "collector-north", "check", "ask", "ridge-01")]
    command = ["openssl", "verify", "-x509_strict", "-crl_check", "-CRLfile", made / "crl.pem", "-attime", str(at)]
    assert subprocess.run([*command, "-CAfile", made / "ca.pem", *names], check=False).returncode == 0


def test_the_brokers_certificate_has_its_names_and_addresses(made: Path) -> None:
    """A host name as DNS name, IPv4 and IPv6 as addresses."""
    certificate = x509.load_pem_x509_certificate((made / "broker.pem").read_bytes())
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["base.local"]
    assert names.get_values_for_type(x509.IPAddress) == [ip_address("192.168.7.1"), ip_address("fe80::1")]


@pytest.mark.parametrize("trap", ["7ridge", "deadbeef"], ids=["begins with a digit", "looks hexadecimal"])
def test_a_trap_of_any_id_has_its_certificate_and_key(made: Path, trap: str) -> None:
    """The script of release 0.1 deleted files whose name begins with a digit."""
    assert (made / f"{trap}.pem").exists() and (made / f"{trap}.key").exists()


def test_only_the_owner_can_read_the_keys(made: Path) -> None:
    """File mode 0600, also for the authority's key."""
    assert {path.stat().st_mode & 0o777 for path in made.glob("*.key")} == {0o600}


def test_a_second_begin_keeps_what_is_there(made: Path) -> None:
    """Only the broker's certificate is issued again, when its names change."""
    before = {path.name: path.read_bytes() for path in made.glob("*.key")}
    assert certificates("init", made, *NAMES) == certificates("init", made) == 0
    assert {path.name: path.read_bytes() for path in made.glob("*.key")} == before
    assert certificates("init", made, "other.local") == 0
    assert (made / "broker.key").read_bytes() != before["broker.key"]


def test_after_a_renewal_both_certificates_are_valid(made: Path) -> None:
    """Until the older one is revoked."""
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
    """The request comes from the trap over MQTT; a request for another name, such as the collector's, is refused."""
    folder = CertificateFolder(made, NOW)
    signed = x509.load_pem_x509_certificate(folder.renew_for("ridge-01", request("ridge-01")))
    assert signed.subject.rfc4514_string() == "CN=ridge-01" and holding(made, "ridge-01") == 2
    for asked in (request("7ridge"), request("Collector"), b"none"):
        with pytest.raises(DataError, match=r"its request is for CN=|not a certificate request"):
            folder.renew_for("ridge-01", asked)
    assert holding(made, "ridge-01") == 2


def test_a_name_whose_certificates_were_revoked_is_issued_again(made: Path) -> None:
    """For the trap that replaces a stolen one."""
    assert CertificateFolder(made, NOW).revoke(["ridge-01"]) == 1
    assert certificates("issue", made, "ridge-01") == 0
    assert holding(made, "ridge-01") == 1


def test_a_folder_of_release_0_1_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """OpenSSL's index, also with years of two digits; the broker's name was its common name."""
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


def test_a_station_with_a_wrong_clock_issues_nothing(tmp_path: Path) -> None:
    """The certificates would expire in 2000."""
    with pytest.raises(ConfigurationError, match="clock says 1970-01-01; set it"):
        CertificateFolder(tmp_path, datetime(1970, 1, 1, tzinfo=UTC)).begin(["base.local"])
    assert not (tmp_path / "ca.pem").exists()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["issue", "Collector"], "expected 1 to 32 of a-z"),
        (["issue", "a" * 33], "expected 1 to 32"),
        (["issue", "ca"], "reserved for files of the station"),
        (["issue", "collector-north"], "reserved for files of the station"),
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
    """Refused with one line; a trap named Collector could forge its own receipts."""
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    code, error = certificates(words[0], made, *words[1:]), capsys.readouterr().err
    assert (code, says in error, error.count("\n")) == (2, True, 1), error
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before


def test_a_broker_without_a_name_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """With one line that says what is expected."""
    assert certificates("init", tmp_path) == 2
    assert "expected host names and addresses" in capsys.readouterr().err
