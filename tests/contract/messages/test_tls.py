"""What a TLS connection needs: files that are there and fit, and nothing older than TLS 1.2."""

import ssl
from pathlib import Path

import pytest

from support.shipped_broker import Authority
from uncia_contract.errors import ConfigurationError
from uncia_contract.messages.tls import Tls, tls_of


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of a base station and two traps."""
    folder = tmp_path_factory.mktemp("certificates")
    for name in ("ridge-01", "valley-02"):
        Authority(folder).issue(name)
    return folder


def test_files_that_fit_give_a_context(station: Path) -> None:
    """Mutual, the broker's name checked, TLS 1.2 or newer."""
    context = Tls(station / "ca.pem", station / "ridge-01.pem", station / "ridge-01.key").context()
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("which", [0, 1, 2], ids=["authority", "certificate", "key"])
def test_a_file_that_is_missing_is_the_one_that_is_named(station: Path, which: int) -> None:
    """OpenSSL would not say which of the three."""
    files = [station / "ca.pem", station / "ridge-01.pem", station / "ridge-01.key"]
    files[which] = station / "nowhere.pem"
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem: No such file"):
        Tls(*files).context()


def test_the_key_of_another_trap_is_refused(station: Path) -> None:
    """In one line."""
    with pytest.raises(ConfigurationError, match="KEY_VALUES_MISMATCH"):
        Tls(station / "ca.pem", station / "ridge-01.pem", station / "valley-02.key").context()


def test_a_configuration_without_an_authority_asks_for_no_tls() -> None:
    """And one with it alone for TLS that is not mutual."""
    assert tls_of("", "a.pem", "a.key") is None
    assert tls_of("ca.pem", "", "") == Tls(Path("ca.pem"))
