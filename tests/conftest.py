"""Fixtures and hooks for all tests: a real broker on a free loopback port, `--fast`, `--forbid-skips`."""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import suppress
from pathlib import Path

import hypothesis
import pytest
from PIL import ImageFile

if os.environ.get("UNCIA_ARM64"):  # emulation is too slow for deadlines, and no test is left out there
    hypothesis.settings.register_profile("arm64", deadline=None, max_examples=20)
    hypothesis.settings.load_profile("arm64")

# A runner in the background ignores SIGINT, and the programs that tests interrupt would inherit that.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)


MOSQUITTO = shutil.which("mosquitto") or ("/usr/sbin/mosquitto" if Path("/usr/sbin/mosquitto").exists() else None)
CONFIGURATION = """
listener {port} 127.0.0.1
allow_anonymous true
persistence true
persistence_location {folder}/
autosave_interval 1
autosave_on_changes true
max_queued_messages 0
log_dest file {folder}/mosquitto.log
{user}
"""


# `make test-fast` leaves out whole folders, tests with these fixtures, and tests or modules (`pytestmark`) that are
# marked `heavy`.
HEAVY_FOLDERS = ("backbones", "converter", "end_to_end", "faults", "systemd", "training/spark")
HEAVY_FIXTURES = {"mosquitto", "start_mosquitto", "postgresql", "browser"}
NOT_IN_FAST = ("tensorflow", "keras", "pyspark", "selenium")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add `--forbid-skips` (`make test-faults`: a missing program is a failure) and `--fast` (`make test-fast`)."""
    parser.addoption("--forbid-skips", action="store_true", help="a test that would be skipped fails")
    parser.addoption("--fast", action="store_true", help="no TensorFlow, Spark, browser, broker or database server")


class Refused:
    """Makes the import of heavy packages fail, so that no fast test needs one without notice."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Refuse heavy packages by name; leave all others to the next finder."""
        if name in NOT_IN_FAST:
            raise ImportError(f"{name} is not for `make test-fast`; mark the test heavy")


def pytest_configure(config: pytest.Config) -> None:
    """With `--fast`, refuse heavy imports and let property tests try few examples."""
    if config.getoption("--fast"):
        sys.meta_path.insert(0, Refused())
        hypothesis.settings.register_profile("fast", deadline=None, max_examples=10)
        hypothesis.settings.load_profile("fast")


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """With `--fast`, leave out heavy modules before they are imported; None lets pytest decide."""
    if not config.getoption("--fast"):
        return None
    place = collection_path.relative_to(Path(__file__).parent).as_posix()
    if place.startswith(HEAVY_FOLDERS):
        return True
    is_module = collection_path.suffix == ".py" and collection_path.name.startswith("test_")
    return True if is_module and "\npytestmark = pytest.mark.heavy" in collection_path.read_text() else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """With `--fast`, leave out single heavy tests."""
    if config.getoption("--fast"):
        heavy = [item for item in items if _is_heavy(item)]
        config.hook.pytest_deselected(items=heavy)
        items[:] = [item for item in items if item not in heavy]


def _is_heavy(item: pytest.Item) -> bool:
    chosen = item.callspec.params.values() if isinstance(item, pytest.Function) and hasattr(item, "callspec") else ()
    fixtures = set(item.fixturenames) if isinstance(item, pytest.Function) else set()
    return bool(item.get_closest_marker("heavy") or fixtures & HEAVY_FIXTURES or "postgresql" in map(str, chosen))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Make a skip a failure if skips are forbidden; also on arm64, where everything that tests need is installed."""
    report = yield
    _forbid_skip(item.config, report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    """Make the skip of a whole module a failure too; no report of a test shows it."""
    report = yield
    _forbid_skip(collector.config, report)
    return report


def _forbid_skip(config: pytest.Config, report: pytest.TestReport | pytest.CollectReport) -> None:
    forbidden = config.getoption("--forbid-skips") or "UNCIA_ARM64" in os.environ
    if report.skipped and forbidden and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, where skips are forbidden: {report.longrepr}"


class Mosquitto:
    """Mosquitto as a child process; it can be stopped, killed and restarted on its port with its saved sessions."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.host, self.port, self.folder = "127.0.0.1", free_port(), folder
        user = "user root" if os.getuid() == 0 else ""
        self.configuration = folder / "mosquitto.conf"
        self.configuration.write_text(CONFIGURATION.format(port=self.port, folder=folder, user=user) + extra)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and return when it accepts connections."""
        assert self.process is None, "already running"
        self.process = subprocess.Popen(
            [str(MOSQUITTO), "-c", str(self.configuration)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        deadline = time.monotonic() + 60
        while not self._answers():
            assert self.process.poll() is None, f"mosquitto left: see {self.folder}/mosquitto.log"
            assert time.monotonic() < deadline, "mosquitto did not listen within 60 s"
            time.sleep(0.01)

    def stop(self, with_signal: int = signal.SIGTERM) -> None:
        """End it normally (it saves its sessions) or with SIGKILL."""
        if self.process is not None:
            self.process.send_signal(with_signal)
            self.process.wait(60)
            self.process = None

    def kill(self) -> None:
        """End it at once, as after a power cut."""
        self.stop(signal.SIGKILL)

    def _answers(self) -> bool:
        try:
            socket.create_connection((self.host, self.port), 1).close()
        except OSError:
            return False
        return True


def free_port() -> int:
    """A loopback port on which no program listened a moment ago.

    It lies below those that the kernel hands out: while a broker is down, nobody's outgoing connection takes its port.
    """
    for port in random.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as listener, suppress(OSError):
            listener.bind(("127.0.0.1", port))
            return port
    raise OSError("a hundred loopback ports are taken")


@pytest.fixture
def start_mosquitto(tmp_path: Path) -> Iterator[Callable[..., Mosquitto]]:
    """Starts brokers with extra lines of configuration: `start_mosquitto("autosave_interval 1800")`."""
    if MOSQUITTO is None:
        pytest.skip("NO MOSQUITTO: install Debian's package `mosquitto`; nothing that needs a broker was tested")
    brokers: list[Mosquitto] = []

    def start(extra: str = "") -> Mosquitto:
        folder = tmp_path / f"mosquitto{len(brokers) or ''}"
        folder.mkdir()
        brokers.append(Mosquitto(folder, extra))
        brokers[-1].start()
        return brokers[-1]

    yield start
    for broker in brokers:
        broker.stop()


@pytest.fixture(autouse=True)
def truncated_pictures_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo a setting of Pillow (accept truncated files) that some libraries make for the whole process."""
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", False)


@pytest.fixture
def mosquitto(start_mosquitto: Callable[..., Mosquitto]) -> Mosquitto:
    """A running broker: `.host`, `.port`, `.stop()`, `.kill()`, `.start()`."""
    return start_mosquitto()


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository with reference values and real pictures, which may not be committed."""
    folder = Path(__file__).parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip(f"NO REFERENCE VALUES: {folder} is missing; nothing was compared with them")
    return folder


@pytest.fixture
def release(tmp_path: Path) -> Path:
    """A copy of the files that release 0.1 wrote on a trap, a station and a workstation (tests/fixtures/)."""
    return Path(shutil.copytree(Path(__file__).parent / "fixtures" / "release-0.1", tmp_path / "release-0.1"))
