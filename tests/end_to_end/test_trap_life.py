"""Audits, thumbnails, states, planned sleep and the log of a trap, with the real base station."""

import hashlib
import io
import json
import signal
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import gpiozero
import msgspec
import pytest
from gpiozero.pins.mock import MockFactory
from PIL import Image
from sqlalchemy import select
from tests.conftest import Mosquitto
from tests.end_to_end.conftest import STARTER, jpeg, record_bursts

from uncia_collector.catalogue.schema import sequences, traps
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings as CollectorBroker
from uncia_collector.settings import CollectorSettings
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.errors import StorageError
from uncia_contract.messages.records import SequenceRecord, TrapState, decode
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_edge.camera import cameras
from uncia_edge.cli.main import main
from uncia_edge.clock import Clock
from uncia_edge.outbox import state_folder
from uncia_edge.service import runtime
from uncia_edge.service.decision_log import DecisionLog
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, OutboxSettings, TrapSettings


class Base:
    """A running collector, and settings for a trap that sends to it."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder, self.broker = folder, broker
        settings = CollectorSettings(
            data=str(folder / "data"), broker=CollectorBroker(port=broker.port, client_id=folder.name), http=None
        )
        self.collector = Collector(settings)
        self.collector.start()
        self.collector.wait_ready()

    def trap(self, bundle: Path, camera: CameraSettings, **more: Any) -> TrapSettings:
        return TrapSettings(
            trap="ridge-1",
            bundle=str(bundle),
            state=str(self.folder / "state"),
            camera=camera,
            broker=BrokerSettings(port=self.broker.port),
            **more,
        )

    def rows(self) -> list[Any]:
        with self.collector.database.reading() as connection:
            return list(connection.execute(select(sequences).order_by(sequences.c.id)))

    def state(self) -> TrapState | None:
        with self.collector.database.reading() as connection:
            told = connection.execute(select(traps.c.state)).scalar()
        return decode(told, TrapState) if told else None

    def availability(self) -> str | None:
        with self.collector.database.reading() as connection:
            return connection.execute(select(traps.c.availability)).scalar()


@pytest.fixture
def base(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Base]:
    base = Base(tmp_path, mosquitto)
    yield base
    base.collector.stop()


@pytest.fixture(scope="module")
def strict_bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The starter bundle with a threshold of 1, so that nothing is positive."""
    starter = read_bundle(STARTER)
    manifest = msgspec.structs.replace(starter.manifest, name="strict", decision_rule=DecisionRule(1.0))
    path = tmp_path_factory.mktemp("bundle") / "strict-1.uncia"
    path.write_bytes(write_bundle(manifest, starter.members))
    return path


def wait(condition: Callable[[], Any], within_s: float = 30.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.02)


def test_rejected_sequences_are_audited_within_the_budget(base: Base, strict_bundle: Path) -> None:
    """Of seven rejected bursts with a budget of two, two arrive with their frames, marked as audits."""
    recording = record_bursts(base.folder / "recording", 7)
    settings = base.trap(strict_bundle, CameraSettings(folder=str(recording)), outbox=OutboxSettings(audit_per_day=2))
    with Runtime(settings) as trap:
        trap.run()
        assert trap.wait_delivered(60)
    assert [(row.audit, row.positive, row.frames_stored) for row in base.rows()] == [(True, False, 3)] * 2
    assert all(decode(row.record, SequenceRecord).preview for row in base.rows())


def test_without_an_audit_budget_nothing_rejected_leaves_the_trap(base: Base, strict_bundle: Path) -> None:
    """The default."""
    with Runtime(base.trap(strict_bundle, CameraSettings(folder=str(record_bursts(base.folder / "r", 2))))) as trap:
        trap.run()
        wait(lambda: trap.delivery.connected)
    assert base.rows() == []


def test_why_the_accelerator_is_not_in_use_reaches_the_base_station(base: Base, strict_bundle: Path) -> None:
    """A trap without its Coral scores on the CPU, and its state says so, with the reason."""
    camera = CameraSettings(folder=str(record_bursts(base.folder / "r", 1)))
    with Runtime(base.trap(strict_bundle, camera, delegate="libnothing.so.1")) as trap:
        trap.run()
        wait(base.state)
    state = base.state()
    assert state is not None
    assert state.delegate == "XNNPACK"
    assert any("libnothing.so.1: cannot be loaded" in reason for reason in state.degraded)


def test_who_the_trap_is_and_how_it_fares_is_told_again_and_again(base: Base, strict_bundle: Path) -> None:
    """At once and every `health_s`; retained, so that a base station that starts later gets it too."""
    camera = CameraSettings(folder=str(record_bursts(base.folder / "r", 2)))
    with Runtime(base.trap(strict_bundle, camera, health_s=1)) as trap:
        wait(base.state)
        first = base.state()
        trap.run()
        wait(lambda: (now := base.state()) is not None and now.counters.bursts == 2)
        late = Base(base.folder / "late", base.broker)
        wait(late.state)
        assert late.availability() == "online"
        late.collector.stop()
    state = base.state()
    assert first is not None and state is not None
    assert (first.bundle, first.trap, first.software.split()[0]) == (trap.bundle.identity, "ridge-1", "uncia")
    assert (state.counters.frames, state.counters.positives, state.outbox_sequences) == (6, 0, 0)
    assert state.sent_at > first.sent_at and state.disk_free_bytes > 0


def test_a_trap_without_its_camera_says_so_and_goes_on(
    base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a card that is mounted late: the outbox is delivered, the state says it, and later its bursts come."""
    monkeypatch.setattr(cameras, "RETRY_S", 1)
    folder = base.folder / "media" / "card"
    camera = CameraSettings(kind="watched", folder=str(folder), settle_s=0.1, quiet_s=0.3)
    with Runtime(base.trap(eager_bundle, camera, health_s=1)) as trap:
        running = threading.Thread(target=trap.run)
        running.start()
        wait(lambda: (state := base.state()) is not None and any("no such folder" in why for why in state.degraded))
        record_bursts(folder, 1)
        wait(lambda: [row.frames_stored for row in base.rows()] == [3])
        wait(lambda: (state := base.state()) is not None and state.degraded == ())
        assert trap.watchdog.overdue() == []
        trap.stop()
        running.join(30)


@pytest.mark.parametrize("begins", ["on the card", "in memory"])
def test_a_trap_moves_between_card_and_memory_by_itself(
    base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch, begins: str
) -> None:
    """When its card becomes read-only or works again, it ends, and systemd restarts it with the other folder."""
    (base.folder / "DCIM").mkdir()
    monkeypatch.setattr(runtime, "CARD_LOOK_S", 0.1)
    monkeypatch.setenv("RUNTIME_DIRECTORY", str(base.folder / "run"))
    real, card, works = state_folder.refusal, base.folder / "state", [begins == "on the card"]
    read_only = OSError(30, "Read-only file system")
    for module in (runtime, state_folder):
        monkeypatch.setattr(
            module, "refusal", lambda place, room=0: read_only if place == card and not works[0] else real(place)
        )
    settings = base.trap(eager_bundle, CameraSettings(kind="watched", folder=str(base.folder / "DCIM")))
    with Runtime(settings) as trap:
        assert (trap._state_folder.path == card) is works[0]
        running = threading.Thread(target=trap.run)
        running.start()
        works[0] = not works[0]
        running.join(30)
        assert trap.stopped
    with Runtime(settings) as trap:
        assert (trap._state_folder.path == card) is works[0]


def test_the_pis_own_camera_is_woken_and_its_burst_arrives(
    base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A pulse on a mock pin with a stand-in for picamera2: the stored bytes are those of its pictures."""
    taken: list[bytes] = []

    class Picamera2:
        create_still_configuration = configure = start = close = lambda *_, **__: None

        def capture_file(self, stream: io.BytesIO, format: str) -> None:  # noqa: A002 -- picamera2's word
            taken.append(jpeg(len(taken)))
            stream.write(taken[-1])

    module = types.ModuleType("picamera2")
    module.Picamera2 = Picamera2  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "picamera2", module)
    monkeypatch.setattr(gpiozero.Device, "pin_factory", MockFactory())
    camera = CameraSettings(kind="picamera2", before=1, after=3, interval_s=0.05, quiet_s=0.5, settle_s=0.5)
    with Runtime(base.trap(eager_bundle, camera)) as trap:
        running = threading.Thread(target=trap.run)
        running.start()
        wait(lambda: taken)
        gpiozero.Device.pin_factory.pin(4).drive_high()
        wait(lambda: any((base.folder / "state" / "spool").glob("*.jpg")))
        gpiozero.Device.pin_factory.pin(4).drive_low()
        wait(lambda: base.rows() and base.rows()[0].frames_stored == base.rows()[0].frames)
        trap.stop()
        running.join(30)
        assert trap.watchdog.overdue() == []
    [row] = base.rows()
    record = decode(row.record, SequenceRecord)
    assert (record.clock.source, len(record.frames) >= 4) == ("trap", True)
    sent = {entry.sha256 for entry in record.frames}
    assert sent <= {hashlib.sha256(content).hexdigest() for content in taken}
    # On a busy machine a picture may be taken after its burst has ended; it then belongs to the next burst.
    left = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (base.folder / "state" / "spool").iterdir()}
    assert left & sent == set() and len(left) <= 1


def test_a_table_that_is_damaged_while_the_trap_runs_is_rebuilt(
    base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a worn card: the trap restarts, rebuilds the table from its files, reports that, and delivers everything."""
    monkeypatch.setattr(runtime, "CARD_LOOK_S", 0.2)
    folder = base.folder / "DCIM"
    folder.mkdir()
    settings = base.trap(
        eager_bundle, CameraSettings(kind="watched", folder=str(folder), settle_s=0.1, quiet_s=0.3), health_s=1
    )
    base.broker.stop()
    with Runtime(settings) as trap:
        running = threading.Thread(target=trap.run)
        running.start()
        record_bursts(folder, 1, frames=4)
        wait(trap.outbox.queries.waiting)
        for n in range(40):  # some more pages
            trap.outbox._database.change("INSERT INTO total VALUES (?, ?)", f"{n}" + "x" * 3000, n)
        table = base.folder / "state" / "outbox" / "outbox.db"
        trap.outbox._database._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        table.write_bytes(table.read_bytes()[:8192] + b"\xa5" * (table.stat().st_size - 8192))
        trap.outbox._database._connection.execute("PRAGMA shrink_memory")
        running.join(30)
        assert trap.stopped
    base.broker.start()
    with Runtime(settings) as trap:
        assert trap.wait_delivered(30)
        wait(lambda: (state := base.state()) is not None and any("set aside" in why for why in state.degraded))
    assert [row.frames_stored for row in base.rows()] == [4]


def test_the_base_station_has_a_thumbnail_with_the_record(base: Base, eager_bundle: Path) -> None:
    """Of the best frame; the originals arrive later, byte for byte."""
    with Runtime(base.trap(eager_bundle, CameraSettings(folder=str(record_bursts(base.folder / "r", 1))))) as trap:
        trap.run()
        assert trap.wait_delivered(60)
    [row] = base.rows()
    preview = decode(row.record, SequenceRecord).preview
    assert preview is not None
    assert (preview.n, Image.open(io.BytesIO(preview.jpeg)).size) == (row.best_frame, (320, 240))
    assert row.frames_stored == 3


CONFIGURATION = """
trap = "ridge-1"
bundle = "{bundle}"
state = "{folder}/state"
[sleep]
start = "{start:%H:%M}"
end = "{end:%H:%M}"
[camera]
kind = "watched"
folder = "{folder}/DCIM"
settle_s = 0.1
quiet_s = 0.3
[broker]
port = {port}
"""


def test_a_planned_sleep_is_announced_and_ended_by_a_signal(
    base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Availability is `sleeping` and not `offline`. The trap wakes, publishes its state, and sleeps again."""
    now = datetime.now(UTC)
    (base.folder / "DCIM").mkdir()
    text = CONFIGURATION.format(
        bundle=eager_bundle, folder=base.folder, port=base.broker.port,
        start=now - timedelta(minutes=5), end=now + timedelta(hours=3),
    )  # fmt: skip
    (base.folder / "trap.toml").write_text(text)
    monkeypatch.setattr(runtime, "GRACE_S", 0.0)
    monkeypatch.setattr(runtime, "SLEEP_LOOK_S", 1.0)
    handlers: list[Callable[..., object]] = []
    told: list[datetime] = []
    monkeypatch.setattr(signal, "signal", lambda number, act: handlers.append(act))

    (base.folder / "state").mkdir()
    Clock(base.folder / "state").is_right()  # with an untrusted clock a trap does not sleep

    def rest(is_asleep: Callable[[], bool], wake: Callable[[float], bool], feed: Callable[[], object]) -> None:
        assert is_asleep()
        wait(lambda: base.availability() == "sleeping")
        wait(lambda: (state := base.state()) is not None and state.sent_at not in told)
        state = base.state()
        assert state is not None
        told.append(state.sent_at)
        if len(told) == 1:
            return  # the sleep is over
        handlers[-1](signal.SIGTERM, None)
        assert wake(0.1)

    monkeypatch.setattr("uncia_edge.cli.run.nap", rest)
    assert main(["run", "--config", str(base.folder / "trap.toml")]) == 0
    assert (base.availability(), len(told)) == ("sleeping", 2)
    assert (base.folder / "state" / "background.npz").is_file()


def test_a_card_that_cannot_tell_the_state_hides_no_trap(
    base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the table cannot be read when the trap connects, it still publishes `online`."""
    (base.folder / "DCIM").mkdir()
    settings = base.trap(eager_bundle, CameraSettings(kind="watched", folder=str(base.folder / "DCIM")))
    with Runtime(settings) as trap:
        monkeypatch.setattr(trap.outbox, "counters", lambda: (_ for _ in ()).throw(StorageError("disk I/O error")))
        wait(lambda: base.availability() == "online")


def test_a_recording_on_a_card_that_refuses_ends_in_one_line_and_plays_again(
    base: Base, eager_bundle: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exit code 2; the next run stores the other bursts, and none of them twice."""
    record_bursts(base.folder / "DCIM", 2)
    never = datetime(2026, 1, 1, tzinfo=UTC)
    text = CONFIGURATION.format(
        bundle=eager_bundle, folder=base.folder, port=base.broker.port, start=never, end=never
    ).replace('"watched"', '"recorded"')
    (base.folder / "trap.toml").write_text(text)
    arguments = ["run", "--config", str(base.folder / "trap.toml"), "--wait-s", "30"]
    with monkeypatch.context() as full:
        full.setattr("os.sendfile", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        assert main(arguments) == 2
    [told] = [line for line in capsys.readouterr().err.splitlines() if line.startswith("uncia-trap:")]
    assert "cannot be stored: [Errno 28] No space left on device" in told
    assert base.rows() == []
    assert main(arguments) == 0
    assert [row.frames_stored for row in base.rows()] == [3, 3]


def test_the_log_explains_each_burst(base: Base, eager_bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`uncia-trap log`: scores, threshold, verdict, reason; only the last, only positive ones; as JSON."""
    recording = record_bursts(base.folder / "recording", 2)
    (recording / "burst-01" / "IMG_0009.JPG").write_bytes(jpeg(9)[:500])
    midnight = datetime(2026, 1, 1, tzinfo=UTC)
    text = CONFIGURATION.format(
        bundle=eager_bundle, folder=base.folder, port=base.broker.port, start=midnight, end=midnight
    )
    text = text.replace('kind = "watched"', 'kind = "recorded"').replace("/DCIM", "/recording")
    (base.folder / "trap.toml").write_text(text)
    arguments = ["--config", str(base.folder / "trap.toml")]
    assert main(["run", *arguments]) == 0
    capsys.readouterr()
    assert main(["log", *arguments]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert "POSITIVE" in first and "reaches 0" in first
    assert "failures: IMG_0009.JPG: truncated" in second
    assert main(["log", *arguments, "--json", "--last", "1"]) == 0
    [line] = capsys.readouterr().out.splitlines()
    explained = json.loads(line)
    assert (explained["burst"], len(explained["scores"]), explained["threshold"]) == ("burst-01", 3, 0.0)
    log = DecisionLog(base.folder / "state").path
    log.write_text(log.read_text().replace('"positive":true', '"positive":false', 1))
    assert main(["log", *arguments, "--positive"]) == 0
    assert [line.split("  ")[1] for line in capsys.readouterr().out.splitlines()] == [second.split("  ")[1]]


def test_a_log_of_nothing_says_where_it_looked(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Entries in memory, from a trap whose card is read-only, are found too."""
    (tmp_path / "trap.toml").write_text('trap = "ridge-1"\nbundle = "b.uncia"\n')
    arguments = ["log", "--config", str(tmp_path / "trap.toml")]
    assert main(arguments) == 0
    assert f"no burst was decided on yet; looked in {tmp_path / 'state'}" in capsys.readouterr().err
    monkeypatch.setattr("uncia_edge.cli.log.MEMORY", tmp_path / "memory")
    DecisionLog(tmp_path / "memory").write("b1", None, ["b.jpg: empty file"])
    assert main(arguments) == 0
    assert "no frame could be used" in capsys.readouterr().out


def test_a_log_that_may_not_be_read_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only the service may read it."""
    (tmp_path / "trap.toml").write_text('trap = "ridge-1"\nbundle = "b.uncia"\n')
    (tmp_path / "state").mkdir()
    real = Path.read_text

    def read(path: Path, **options: Any) -> str:
        if path.parent.name == "state":
            raise PermissionError(13, "Permission denied")
        return real(path, **options)

    monkeypatch.setattr(Path, "read_text", read)
    assert main(["log", "--config", str(tmp_path / "trap.toml")]) == 2
    assert "Permission denied; only the service may read it: run this as root" in capsys.readouterr().err


def test_a_reader_that_has_seen_enough_ends_the_log(tmp_path: Path) -> None:
    """`uncia-trap log | head -1` leaves no traceback."""
    (tmp_path / "trap.toml").write_text('trap = "ridge-1"\nbundle = "b.uncia"\n')
    log = DecisionLog(tmp_path / "state")
    for n in range(3000):
        log.write(f"burst {n}", None, ["x" * 50])
    words = ["log", "--last", "3000", "--config", str(tmp_path / "trap.toml")]
    command = [sys.executable, "-c", "import sys; from uncia_edge.cli.main import main; sys.exit(main())", *words]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == b""


def test_ctrl_c_is_no_crash_of_the_bundle(base: Base, eager_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A person who tests a trap ends it like that several times within one boot."""
    monkeypatch.setattr("uncia_edge.bundles.loads.CRASHES", 1)
    settings = base.trap(eager_bundle, CameraSettings(folder=str(record_bursts(base.folder / "r", 1))))
    with pytest.raises(KeyboardInterrupt), Runtime(settings):
        raise KeyboardInterrupt
    with Runtime(settings) as trap:
        assert list(trap._problems()) == []


def test_coordinates_in_a_trap_toml_of_release_0_1_are_warned_of_and_told_nobody(
    base: Base, strict_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The trap starts; neither the state at the station nor the trap's folder has them."""
    camera = CameraSettings(folder=str(record_bursts(base.folder / "r", 1)))
    with Runtime(base.trap(strict_bundle, camera, latitude=36.9123, longitude=73.0456)) as trap:
        trap.run()
        trap.tell_state()
        wait(lambda: base.state() is not None)
    state = base.state()
    assert state is not None and (state.latitude, state.longitude) == (None, None)
    assert runtime.IGNORED_PLACE in caplog.messages
    held = [path for path in Path(trap.settings.state).rglob("*") if path.is_file() and b"36.9123" in path.read_bytes()]
    assert held == []
