"""Both `setup` commands into the root of an image: their files fit together, and a second run changes nothing."""

import stat
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography import x509
from tests.end_to_end.conftest import STARTER

from uncia_collector.cli.main import main as collect
from uncia_collector.settings import read_settings as read_collector
from uncia_edge.cli.certificate_checks import key_line, name_lines
from uncia_edge.cli.main import main as trap
from uncia_edge.settings import read_settings

DEBIANS = (
    "persistence true\npersistence_location /var/lib/mosquitto/\nlog_dest syslog\ninclude_dir /etc/mosquitto/conf.d\n"
)


@pytest.fixture
def station(tmp_path: Path) -> Callable[..., int]:
    """Run `uncia-collect setup` for a station with one trap."""
    mosquitto = tmp_path / "station/etc/mosquitto/mosquitto.conf"
    mosquitto.parent.mkdir(parents=True)
    mosquitto.write_text(DEBIANS)
    given = ["--name", "base.local", "--trap", "ridge-01", "--bundle", str(STARTER), "--pack", "/packed"]
    places = ["--certificates", str(tmp_path / "certificates"), "--root", str(tmp_path / "station")]
    return lambda *words: collect(["setup", *given, *places, *words])


@pytest.fixture
def of_trap(tmp_path: Path, station: Callable[..., int]) -> Callable[..., int]:
    """Run `uncia-trap setup` with the files that the station packed."""
    assert station() == 0
    packed = tmp_path / "station/packed/uncia-ridge-01"
    return lambda *words: trap(["setup", "--from", str(packed), "--root", str(tmp_path / "trap"), *words])


def files(root: Path) -> dict[str, bytes]:
    return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


def test_a_station_has_all_that_the_guide_asks_for(station: Callable[..., int], tmp_path: Path) -> None:
    """Broker, access list, certificates, units, the script for the broker's database, and a valid configuration."""
    assert station() == 0
    root = tmp_path / "station"
    assert "persistence" not in (root / "etc/mosquitto/mosquitto.conf").read_text()
    units = ("uncia-collector.service", "mosquitto.service.d/uncia.conf")
    for name in ("uncia.acl", "certs/crl.pem", "conf.d/uncia.conf"):
        assert (root / "etc/mosquitto" / name).is_file(), name
    assert [(root / "etc/systemd/system" / name).is_file() for name in units] == [True, True]
    assert stat.S_IMODE((root / "usr/local/sbin/uncia-broker-database").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "etc/uncia/collector.key").stat().st_mode) == 0o600
    broker = read_collector(root / "etc/uncia/collector.toml").broker
    assert (broker.host, Path(broker.certificate).is_file(), Path(broker.ask_key).is_file()) == (
        "base.local",
        True,
        True,
    )
    names = x509.load_pem_x509_certificate((root / "etc/mosquitto/certs/broker.pem").read_bytes()).extensions
    found = names.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    assert found == ["base.local"]


def test_a_trap_is_made_of_what_the_station_packed(of_trap: Callable[..., int], tmp_path: Path) -> None:
    """Its own certificate and key, the bundle, the station's address; the unit finds the key."""
    assert of_trap("--camera", "watched", "--folder", "/media/card/DCIM") == 0
    here = tmp_path / "trap/etc/uncia"
    settings = read_settings(here / "trap.toml")
    assert (settings.trap, settings.broker.host, settings.camera.folder) == (
        "ridge-01",
        "base.local",
        "/media/card/DCIM",
    )
    assert Path(settings.bundle).read_bytes() == STARTER.read_bytes()
    assert key_line(here / "ridge-01.key", here / "ridge-01.pem").status == "ok"
    assert [line.status for line in name_lines(here / "ridge-01.pem", "ridge-01")] == ["ok"]
    key = (tmp_path / "trap/etc/systemd/system/uncia-trap.service.d/key.conf").read_text()
    assert "LoadCredential=key:/etc/uncia/ridge-01.key" in key


@pytest.mark.parametrize("folder", ['/media/my "card"', "/media/card\\DCIM", "/media/карта"])
def test_any_folder_can_be_named(of_trap: Callable[..., int], tmp_path: Path, folder: str) -> None:
    """As trap.toml quotes it."""
    assert of_trap("--camera", "watched", "--folder", folder) == 0
    assert read_settings(tmp_path / "trap/etc/uncia/trap.toml").camera.folder == folder


@pytest.mark.parametrize("which", ["station", "of_trap"])
def test_a_second_run_changes_nothing(
    which: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It says so, and changes by a person in a configuration stay."""
    run = request.getfixturevalue(which)
    words = ("--camera", "picamera2") if which == "of_trap" else ()
    assert run(*words) == 0
    for path in tmp_path.glob("*/etc/uncia/*.toml"):
        path.write_text(path.read_text() + "# my own line\n")
    before = files(tmp_path)
    capsys.readouterr()
    assert run(*words) == 0
    told = capsys.readouterr().out
    assert files(tmp_path) == before
    assert not any(line.startswith(("write", "issue", "link")) for line in told.splitlines())
    assert "kept" in told


@pytest.mark.parametrize("which", ["station", "of_trap"])
def test_a_dry_run_writes_nothing(which: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    """It only prints the steps."""
    run = request.getfixturevalue(which)
    before = files(tmp_path)
    assert run("--dry-run", *(("--camera", "picamera2") if which == "of_trap" else ())) == 0
    assert files(tmp_path) == before


def test_a_further_trap_is_added_later(station: Callable[..., int], tmp_path: Path) -> None:
    """The authority and the first trap's certificate stay as they are."""
    assert station() == 0
    before = files(tmp_path / "certificates")
    assert station("--trap", "valley-02") == 0
    after = files(tmp_path / "certificates")
    assert {name: after[name] for name in ("ca.pem", "ridge-01.pem")} == {
        n: before[n] for n in ("ca.pem", "ridge-01.pem")
    }
    assert (tmp_path / "station/packed/uncia-valley-02/valley-02.key").is_file()


@pytest.mark.parametrize(
    ("words", "told"),
    [(["--from", "nowhere"], "expected the folder that `uncia-collect setup` made"), ([], "there is no terminal")],
    ids=["no such folder", "nothing said"],
)
def test_a_mistake_is_one_line(
    of_trap: Callable[..., int], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
    words: list[str], told: str,
) -> None:  # fmt: skip
    """Exit code 2."""
    monkeypatch.setattr("os.isatty", lambda number: False)
    assert of_trap(*words) == 2
    assert told in capsys.readouterr().err


def test_the_user_at_the_terminal_is_asked(
    of_trap: Callable[..., int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For what no option gave."""
    answers = iter(["watched", "/srv/ftp"])
    monkeypatch.setattr("os.isatty", lambda number: True)
    monkeypatch.setattr("builtins.input", lambda question: next(answers))
    assert of_trap() == 0
    assert read_settings(tmp_path / "trap/etc/uncia/trap.toml").camera.folder == "/srv/ftp"
