"""`uncia-trap doctor`: a line for each part, with a remedy if it is not ok; and `uncia-trap bench`."""

import hashlib
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from msgspec.structs import replace

from support.self_signed import self_signed
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_contract.model.interpreter import Interpreter
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.cli.bench import watt_hours_a_day
from uncia_edge.cli.broker_checks import broker_line
from uncia_edge.cli.certificate_checks import certificate_line, key_line
from uncia_edge.cli.doctor import examine, exit_code
from uncia_edge.cli.main import main
from uncia_edge.cli.trap_checks import Line, clock_line, disk_lines
from uncia_edge.clock import Reading
from uncia_edge.service.renewal import FOLDER, RENEWED
from uncia_edge.settings import BrokerSettings, CameraSettings, OutboxSettings, TrapSettings

STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"
NOW = datetime(2026, 6, 1, tzinfo=UTC)


def reading(now: datetime = NOW, synchronised: bool = True) -> Reading:
    return Reading(now, 1.0, "boot", synchronised)


@pytest.fixture
def trap(tmp_path: Path) -> TrapSettings:
    """A trap in order, except that there is no broker on port 1."""
    (tmp_path / "pictures").mkdir()
    camera = CameraSettings(folder=str(tmp_path / "pictures"))
    return TrapSettings("ridge-01", str(STARTER), str(tmp_path / "state"), camera=camera, broker=BrokerSettings(port=1))


def certificate(folder: Path, days: int) -> Path:
    """Write a self-signed certificate that ends `days` after NOW, and its key beside it."""
    return self_signed(folder / "trap.pem", "ridge-01", NOW - timedelta(days=100), NOW + timedelta(days=days))


def test_a_trap_in_order_has_only_ok_lines(trap: TrapSettings) -> None:
    """Except for the broker, which is a warning: sequences wait on disk."""
    lines = list(examine(trap, reading))
    assert [line.part for line in lines if line.status != "ok"] == ["broker"] and exit_code(lines) == 0


def test_every_line_that_is_not_ok_has_a_remedy(trap: TrapSettings) -> None:
    """It says what to do."""
    broken = TrapSettings("ridge-01", "none.uncia", trap.state, delegate="libnothing.so.1", broker=trap.broker)
    lines = list(examine(broken, lambda: reading(datetime(1970, 1, 1, tzinfo=UTC))))
    failed = {line.part for line in lines if line.status == "failed"}
    assert failed == {"camera", "runtime", "bundle", "clock"}
    assert all(line.remedy for line in lines if line.status != "ok") and exit_code(lines) == 1


@pytest.mark.parametrize(("days", "status"), [(400, "ok"), (30, "warning"), (-1, "failed")], ids=str)
def test_a_certificate_is_judged_by_the_days_it_has_left(tmp_path: Path, days: int, status: str) -> None:
    """Sixty days are a warning, because the engineer will not come back for months."""
    assert certificate_line("certificate", certificate(tmp_path, days), NOW).status == status


def test_a_renewed_certificate_is_checked_instead_of_the_configured_one(trap: TrapSettings, tmp_path: Path) -> None:
    """The service uses it, so the configured file may have expired."""
    configured = certificate(tmp_path, -1)
    (tmp_path / "new").mkdir()
    renewed, identity = certificate(tmp_path / "new", 400), Path(trap.state) / FOLDER
    identity.mkdir(parents=True)
    head = f"# replaces {hashlib.sha256(configured.read_bytes()).hexdigest()}\n".encode()
    key = renewed.with_suffix(".key").read_bytes()
    (identity / RENEWED).write_bytes(head + renewed.read_bytes() + key)
    broker = replace(trap.broker, certificate=str(configured), key=str(configured.with_suffix(".key")))
    lines = {line.part: line for line in examine(replace(trap, broker=broker), reading)}
    assert [lines[part].status for part in ("certificate (certificate)", "certificate (name)", "key")] == ["ok"] * 3


def test_a_file_that_is_no_certificate_is_named(tmp_path: Path) -> None:
    """With its path."""
    (tmp_path / "trap.pem").write_text("text")
    line = certificate_line("ca", tmp_path / "trap.pem", NOW)
    assert (line.status, line.detail) == ("failed", f"{tmp_path / 'trap.pem'}: no PEM certificate")


@pytest.mark.parametrize(
    ("key", "status", "word"),
    [("trap.key", "ok", "belongs to"), ("other/trap.key", "failed", "is not the key of"),
     ("none.key", "failed", "No such file"), ("trap.pem", "failed", "no PEM private key")],
    ids=["its own", "another's", "not there", "no key"],
)  # fmt: skip
def test_a_key_must_be_the_certificates(tmp_path: Path, key: str, status: str, word: str) -> None:
    """Otherwise the broker refuses the trap."""
    (tmp_path / "other").mkdir()
    certificate(tmp_path / "other", 400)
    line = key_line(tmp_path / key, certificate(tmp_path, 400))
    assert (line.status, word in line.detail, bool(line.remedy)) == (status, True, status != "ok")


def test_certificates_and_key_are_checked(trap: TrapSettings, tmp_path: Path) -> None:
    """If a broker with TLS is configured."""
    own = str(certificate(tmp_path, 400))
    broker = BrokerSettings(port=1, ca=own, certificate=own, key=str(tmp_path / "trap.key"))
    told = {line.part: line.status for line in examine(replace(trap, broker=broker), reading)}
    assert [told[part] for part in ("certificate (ca)", "certificate (certificate)", "key")] == ["ok"] * 3


def test_a_clock_that_nobody_sets_is_a_warning() -> None:
    """Records say that their times are not synchronised."""
    assert clock_line(reading(synchronised=False)).status == "warning"


def test_a_listening_broker_is_ok(trap: TrapSettings, mosquitto: object) -> None:
    """With a real Mosquitto."""
    settings = TrapSettings("ridge-01", str(STARTER), broker=BrokerSettings(port=mosquitto.port))  # type: ignore[attr-defined]
    assert broker_line(settings).status == "ok"


def the(part: str, settings: TrapSettings) -> tuple[str, str, bool]:
    """Status and detail of one part's line, and whether it has a remedy."""
    line = next(line for line in examine(settings, reading) if line.part == part)
    return line.status, line.detail, bool(line.remedy)


@pytest.mark.parametrize(
    ("free_mb", "status"), [(100, "failed"), (900, "warning"), (9000, "ok")], ids=["full", "nearly full", "room"]
)
def test_a_card_is_judged_by_the_room_it_has_left(
    trap: TrapSettings, monkeypatch: pytest.MonkeyPatch, free_mb: int, status: str
) -> None:
    """Compared with `free_mb`, below which nothing new is stored."""
    usage = SimpleNamespace(total=10**11, used=0, free=free_mb * 10**6)
    monkeypatch.setattr("uncia_edge.cli.trap_checks.shutil.disk_usage", lambda path: usage)
    found = the("disk space", replace(trap, outbox=OutboxSettings(free_mb=300)))
    assert found[0] == status and found[2] == (status != "ok")


def test_a_slow_card_is_a_warning(trap: TrapSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Worn cards become slow before they fail."""
    ticks = iter([0.0, 16.0])
    monkeypatch.setattr("uncia_edge.cli.trap_checks.time.monotonic", lambda: next(ticks))
    line = next(line for line in disk_lines(trap) if line.part == "disk speed")
    assert (line.status, line.detail, "worn" in line.remedy) == ("warning", "1.0 MB/s written and synced", True)


def test_a_card_that_cannot_be_written_has_failed(trap: TrapSettings, tmp_path: Path) -> None:
    """A file has the name of the state folder."""
    (tmp_path / "file").touch()
    (line,) = disk_lines(replace(trap, state=str(tmp_path / "file" / "state")))
    assert (line.part, line.status, bool(line.remedy)) == ("disk", "failed", True)


def test_a_folder_that_may_not_be_read_has_failed(trap: TrapSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """It exists, but the trap's user has no permission."""
    monkeypatch.setattr("uncia_edge.cli.trap_checks.os.access", lambda path, mode: False)
    status, detail, remedy = the("camera", trap)
    assert (status, "cannot be read" in detail, remedy) == ("failed", True, True)


@pytest.mark.parametrize(
    ("found", "word"), [([], "finds no camera"), (None, "not usable")], ids=["no camera", "no driver"]
)
def test_a_pi_without_its_camera_has_failed(
    trap: TrapSettings, monkeypatch: pytest.MonkeyPatch, found: list[object] | None, word: str
) -> None:
    """Because of the ribbon cable or the library."""
    camera = found if found is None else SimpleNamespace(Picamera2=SimpleNamespace(global_camera_info=lambda: found))
    monkeypatch.setitem(sys.modules, "picamera2", camera)
    status, detail, remedy = the("camera", replace(trap, camera=CameraSettings(kind="picamera2")))
    assert (status, word in detail, remedy) == ("failed", True, True)


def test_an_accelerator_that_is_not_there_is_a_warning(trap: TrapSettings) -> None:
    """The CPU scores instead."""
    status, _, remedy = the("delegate", replace(trap, delegate="libnothing.so.1"))
    assert (status, remedy) == ("warning", True)


def test_a_bundle_whose_probes_are_not_reproduced_has_failed(
    trap: TrapSettings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The line says how far the scores are off."""
    run = Interpreter.run
    monkeypatch.setattr(Interpreter, "run", lambda self, *given: [part * 0 for part in run(self, *given)])
    status, detail, remedy = the("bundle", trap)
    assert (status, "probes differ by" in detail, remedy) == ("failed", True, True)


def test_a_bundle_that_the_trap_would_not_accept_has_failed(trap: TrapSettings, tmp_path: Path) -> None:
    """The trap has a key, and the bundle is unsigned."""
    public = Ed25519PrivateKey.generate().public_key()
    (tmp_path / "maker.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    status, detail, remedy = the("bundle", replace(trap, bundle_key=str(tmp_path / "maker.pem")))
    assert (status, "unsigned: expected a signature" in detail, remedy) == ("failed", True, True)


def test_an_installed_bundle_is_the_one_that_is_checked(trap: TrapSettings) -> None:
    """The trap uses it instead of the configured one."""
    starter = read_bundle(STARTER)
    later = write_bundle(replace(starter.manifest, version=7), starter.members)
    InstalledBundle(Path(trap.state) / "bundle", Path(trap.bundle)).put(later)
    status, detail, _ = the("bundle", trap)
    assert (status, detail.startswith("snow-leopard-starter version 7")) == ("ok", True)


def test_kernels_that_are_slow_are_a_warning(trap: TrapSettings, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a build without XNNPACK."""
    made = Interpreter.__init__
    monkeypatch.setattr(
        Interpreter, "__init__", lambda self, model, threads=1: made(self, model, threads, keep_all=True)
    )
    status, detail, remedy = the("runtime", trap)
    assert (status, "without XNNPACK" in detail, remedy) == ("warning", True, True)


def test_the_command_prints_lines_and_leaves_with_one_on_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 1: a part failed; 2 means that the configuration cannot be read."""
    (tmp_path / "trap.toml").write_text('trap = "ridge-01"\nbundle = "none.uncia"\n[broker]\nport = 1\n')
    code = main(["doctor", "--config", str(tmp_path / "trap.toml")])
    assert (code, "failed   bundle" in capsys.readouterr().out) == (1, True)


def test_a_line_shows_its_remedy_below() -> None:
    """If it has one."""
    assert str(Line("disk", "failed", "full", "make room")) == "failed   disk: full\n         -> make room"


def test_energy_is_busy_and_idle_time_at_their_power() -> None:
    """One hour at 4 W and 23 hours at 2 W."""
    assert watt_hours_a_day(3.6, 1000, 4.0, 2.0) == pytest.approx(4 + 46)


@pytest.fixture(scope="module")
def bench() -> str:
    """The output of bench in a new process, because this one may have used more memory before."""
    code = "import sys; from uncia_edge.cli.main import main; sys.exit(main())"
    command = [sys.executable, "-c", code, "bench", str(STARTER), "--repeats", "1"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


@pytest.mark.heavy
@pytest.mark.parametrize(
    "word", ["decode", "resize", "invoke", "head", "verdict", "median ms", "p95 ms", "frames a second", "Wh a day"]
)
def test_bench_prints_every_step(bench: str, word: str) -> None:
    """From decoding to verdict, and the energy of a day."""
    assert word in bench


def test_bench_leaves_the_rendering_of_its_picture_out_of_the_memory(bench: str) -> None:
    """Rendering takes 270 MB, the trap's own work half of that; an emulator adds to it."""
    held = re.search(r"(\d+) MB resident at most", bench)
    assert held and 50 < int(held[1]) < 230
