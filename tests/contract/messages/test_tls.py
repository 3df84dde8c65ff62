"""What a TLS connection needs: readable files that fit together, TLS 1.2 or newer."""

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from support.self_signed import self_signed
from uncia_contract.errors import ConfigurationError
from uncia_contract.messages.tls import Tls, tls_of


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificates of a base station and two traps."""
    folder = tmp_path_factory.mktemp("certificates")
    now = datetime.now(UTC)
    for name in ("ridge-01", "valley-02", "ca"):
        self_signed(folder / f"{name}.pem", name, now, now + timedelta(days=1))
    return folder


def test_files_that_fit_give_a_context(station: Path) -> None:
    """Mutual TLS, with a check of the broker's name, TLS 1.2 or newer."""
    context = Tls(station / "ca.pem", station / "ridge-01.pem", station / "ridge-01.key").context()
    assert (context.check_hostname, context.verify_mode) == (True, ssl.CERT_REQUIRED)
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2


@pytest.mark.parametrize("which", [0, 1, 2], ids=["authority", "certificate", "key"])
def test_a_missing_file_is_named(station: Path, which: int) -> None:
    """OpenSSL's error does not name it."""
    files = [station / "ca.pem", station / "ridge-01.pem", station / "ridge-01.key"]
    files[which] = station / "nowhere.pem"
    with pytest.raises(ConfigurationError, match=r"nowhere\.pem: No such file"):
        Tls(*files).context()


def test_the_key_of_another_trap_is_refused(station: Path) -> None:
    """With one line."""
    with pytest.raises(ConfigurationError, match="KEY_VALUES_MISMATCH"):
        Tls(station / "ca.pem", station / "ridge-01.pem", station / "valley-02.key").context()


def test_a_configuration_without_an_authority_means_no_tls() -> None:
    """With the authority alone, TLS is not mutual."""
    assert tls_of("", "a.pem", "a.key") is None
    assert tls_of("ca.pem", "", "") == Tls(Path("ca.pem"))
