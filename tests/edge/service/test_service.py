"""Commands, overrides, decision log, watchdog and state of a trap."""

import json
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.edge.scene import BUNDLE, Told, burst_of, jpeg, reading, slope

from support.records import make_record, write_frames
from uncia_contract.errors import ConfigurationError
from uncia_contract.messages.records import BundleIdentity, Command, Reply, TrapState, decode, encode
from uncia_contract.messages.topics import Topics
from uncia_edge.bundles.installed import InstalledBundle
from uncia_edge.bundles.offers import Offers
from uncia_edge.clock import Reading
from uncia_edge.delivery.link import MqttMessage, Received
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observer
from uncia_edge.scoring.records import EarlierSequence
from uncia_edge.service import health
from uncia_edge.service.commands import Commands
from uncia_edge.service.decision_log import DecisionLog
from uncia_edge.service.health import outbox_age_s, trap_state
from uncia_edge.service.housekeeping import Chore, Housekeeping
from uncia_edge.service.overrides import OverrideFile, Overrides
from uncia_edge.service.trial import Trial
from uncia_edge.service.watchdog import Watchdog, notify

TOPICS = Topics("ridge-01")


class CommandTester:
    """A trap's `Commands`; all effects are recorded."""

    def __init__(self, folder: Path, trusted: bool) -> None:
        self.said: list[MqttMessage] = []
        self.first: list[str] = []
        self.applied: list[Overrides] = []
        self.restarts = 0
        self.file = OverrideFile(folder / "overrides.json")
        offers = Offers(folder / "bundle", BUNDLE, folder / "none", InstalledBundle(folder, folder / "none"), id, str)
        self.trial = Trial(folder)
        parts = (TOPICS, self.file, self.applied.append, self.restart, trusted, offers, lambda keys: 1, self.trial.ask)
        self.commands = Commands(*parts)

    def restart(self) -> None:
        self.restarts += 1

    def publish(self, message: MqttMessage) -> None:
        self.said.append(message)

    def send_first(self, sequence: str) -> bool:
        self.first.append(sequence)
        return sequence == "s1"

    def ask(self, payload: bytes) -> Reply:
        self.commands.handle(Received(TOPICS.command, payload, b"42", "somewhere/else"), self)
        return decode(self.said[-1].payload, Reply)


@pytest.fixture
def tester(tmp_path: Path) -> CommandTester:
    return CommandTester(tmp_path, trusted=True)


def test_a_ping_is_answered_with_its_correlation_data_on_our_own_topic(tester: CommandTester) -> None:
    """Another response topic in the command is ignored."""
    assert tester.ask(encode(Command("ping"))).ok
    assert (tester.said[0].topic, tester.said[0].correlation) == (TOPICS.reply, b"42")


@pytest.mark.parametrize(("sequence", "ok"), [("s1", True), ("s2", False)])
def test_frames_can_be_asked_for(tester: CommandTester, sequence: str, ok: bool) -> None:
    """The answer says if the sequence is not in the outbox any more."""
    assert tester.ask(encode(Command("send_frames", sequence=sequence))).ok is ok
    assert tester.first == [sequence]


def test_a_set_value_is_applied_stored_and_has_a_revision(tester: CommandTester, tmp_path: Path) -> None:
    """It is applied at once, and by the next process."""
    reply = tester.ask(encode(Command("set", key="threshold", value=0.7)))
    assert (reply.ok, reply.configuration_revision, tester.applied[-1].threshold) == (True, 1, 0.7)
    assert OverrideFile(tmp_path / "overrides.json").current == Overrides(1, 0.7)


@pytest.mark.parametrize(
    ("key", "value"),
    [("threshold", 0.0), ("threshold", 1.5), ("threshold", "low"), ("budget_bytes", -1), ("trap", "other"), ("", 1)],
)
def test_values_out_of_bounds_change_nothing(tester: CommandTester, key: str, value: object) -> None:
    """The reply has the reason, and the earlier values stay."""
    reply = tester.ask(encode(Command("set", key=key, value=value)))  # type: ignore[arg-type]
    assert (reply.ok, reply.configuration_revision, tester.applied) == (False, 0, [])


@pytest.mark.parametrize(
    ("key", "expected"),
    [("threshold", "a number from 0.05 to 0.99"), ("budget_bytes", "a whole number from 0 to 1000000000000")],
)
def test_a_refusal_states_the_bounds(tester: CommandTester, key: str, expected: str) -> None:
    """Those that are checked."""
    reply = tester.ask(encode(Command("set", key=key, value=-1)))
    assert f"{key} = -1: expected {expected}, or default" in reply.detail


def test_the_reply_explains_a_budget_of_0_and_the_default(tester: CommandTester) -> None:
    """0 sends no frames; `default` removes the override."""
    said = tester.ask(encode(Command("set", key="budget_bytes", value=0))).detail
    assert (tester.applied[-1].budget_bytes, "no frames" in said) == (0, True)
    said = tester.ask(encode(Command("set", key="budget_bytes", value="default"))).detail
    assert (tester.applied[-1].budget_bytes, "as trap.toml says" in said) == (None, True)


def test_without_an_authenticated_broker_behaviour_cannot_be_changed(tmp_path: Path) -> None:
    """Without authentication anybody could send such commands."""
    tester = CommandTester(tmp_path, trusted=False)
    assert not tester.ask(encode(Command("set", key="threshold", value=0.7))).ok
    assert not tester.ask(encode(Command("restart"))).ok
    assert not tester.ask(encode(Command("offer_bundle"))).ok
    assert not tester.ask(encode(Command("try"))).ok
    assert (tester.applied, tester.restarts, tester.trial.is_wanted) == ([], 0, False)


def test_an_empty_offer_is_answered(tester: CommandTester) -> None:
    """It changes nothing."""
    reply = tester.ask(encode(Command("offer_bundle")))
    assert (reply.ok, "expected an offer" in reply.detail, tester.restarts) == (False, True, 0)


@pytest.mark.parametrize("payload", [b"", b"{", b'{"name":"format_disk"}', b"\xff\xfe", b'{"name":["ping"]}'])
def test_garbage_is_answered_and_harms_nothing(tester: CommandTester, payload: bytes) -> None:
    """No exception reaches the delivery thread."""
    assert not tester.ask(payload).ok


@pytest.mark.parametrize("damage", [b"", b"\0" * 50, b'{"threshold": 7}', b'{"threshol'])
def test_damaged_overrides_fall_back_to_the_last_good_ones(tmp_path: Path, damage: bytes) -> None:
    """The previous file is kept beside the newest."""
    file = OverrideFile(tmp_path / "o.json")
    file.set("threshold", 0.6)
    file.set("threshold", 0.7)
    (tmp_path / "o.json").write_bytes(damage)
    assert OverrideFile(tmp_path / "o.json").current.threshold == 0.6


def test_the_error_of_a_bound_names_it(tmp_path: Path) -> None:
    """It names key, value and bounds."""
    with pytest.raises(
        ConfigurationError, match=r"threshold = 2\.0: expected a number from 0\.05 to 0\.99, or default"
    ):
        OverrideFile(tmp_path / "o.json").set("threshold", 2.0)


def test_a_decision_can_be_explained_later(tmp_path: Path) -> None:
    """Scores, threshold, verdict and reason of each burst."""
    log = DecisionLog(tmp_path)
    log.write("b1", make_record("s1", [b"x", b"y"], scores=[0.8, 1.0]), ["a.jpg: truncated"])
    log.write("b2", None, ["b.jpg: empty file"])
    first, second = log.read()
    assert (first["scores"], first["threshold"], first["positive"]) == ([0.8, 1.0], 0.5, True)
    assert first["reason"] == "mean 0.900 reaches 0.5"
    assert second["reason"] == "no frame could be used"


def test_the_decision_log_stays_within_its_quota(tmp_path: Path) -> None:
    """The newest explanations are kept."""
    log = DecisionLog(tmp_path, quota_bytes=10_000)
    for n in range(500):
        log.write(f"b{n}", make_record(f"s{n}", [b"x"]), [])
    assert sum(path.stat().st_size for path in tmp_path.glob("*.jsonl")) <= 10_000
    assert list(log.read())[-1]["id"] == "s499"


def test_an_incomplete_line_does_not_hide_the_others(tmp_path: Path) -> None:
    """A power cut may leave one."""
    log = DecisionLog(tmp_path)
    log.write("b1", None, [])
    with log.path.open("a") as stream:
        stream.write('{"burst": "b2", "rea')
    assert [entry["burst"] for entry in log.read()] == ["b1"]


def test_the_newest_sequences_are_known_after_a_start(tmp_path: Path) -> None:
    """With their events and times; lines of other kinds, of release 0.1 and incomplete ones are skipped."""
    log = DecisionLog(tmp_path)
    assert log.latest_sequences() == []
    record = make_record("s1", [b"x", b"y"])
    log.write("b1", record, [])
    log.write("b2", None, ["b.jpg: empty file"])
    with log.path.open("a") as stream:
        stream.write('{"id": "s0", "at": "2026-01-01T00:00:00+00:00"}\n[1]\n{"id": "s2", "eve')
    assert log.latest_sequences() == [EarlierSequence(record.event, record.started_at, record.ended_at)]


@pytest.mark.parametrize("abstract", [False, True])
def test_systemd_is_told_in_one_datagram(tmp_path: Path, abstract: bool) -> None:
    """To a path or an abstract socket."""
    address = f"@uncia-test-{tmp_path.name}" if abstract else str(tmp_path / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind("\0" + address[1:] if abstract else address)
        assert notify("READY=1", {"NOTIFY_SOCKET": address})
        assert listener.recv(100) == b"READY=1"


def test_without_systemd_nothing_is_sent() -> None:
    """A desktop has no NOTIFY_SOCKET."""
    assert not notify("READY=1", {})


def test_the_watchdog_is_fed_by_progress_of_every_part(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """If one part hangs, the watchdog is not fed."""
    now_s = [0.0]
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
    watchdog = Watchdog({"camera": 10, "delivery": 10}, lambda: now_s[0])
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listener:
        listener.bind(str(tmp_path / "notify"))
        now_s[0] = 9.0
        assert watchdog.feed()
        watchdog.beat("camera")
        now_s[0] = 15.0
        assert not watchdog.feed()
    assert watchdog.overdue() == ["delivery"]


@pytest.mark.parametrize("error", [OSError("no space left"), ValueError("a mistake of ours")], ids=["card", "bug"])
def test_a_failing_chore_does_not_stop_the_others(error: Exception) -> None:
    """Neither an error of the card nor an unexpected one may stop the watchdog."""
    done: list[str] = []

    def fail() -> None:
        raise error

    now_s = [0.0]
    house = Housekeeping([Chore("a", 1, fail), Chore("b", 1, lambda: done.append("b"))], lambda: now_s[0])
    for second in range(1, 4):
        now_s[0] = float(second)
        house.step()
    assert done == ["b"] * 3


def test_the_state_says_what_waits_and_for_how_long(tmp_path: Path) -> None:
    """Depth, age by the time since boot, and totals; encoding and decoding gives the same message."""
    outbox = Outbox(tmp_path / "outbox")
    outbox.add(make_record("s1", [b"x" * 10]), write_frames(tmp_path / "spool", [b"x" * 10]))
    outbox.count(bursts=3)
    clock = Reading(datetime(1970, 1, 1, tzinfo=UTC), 61.0, "boot", synchronised=False)
    state = trap_state("ridge-01", BundleIdentity("demo", 1, "0" * 64), "litert 2", "cpu", outbox, clock)
    assert (state.outbox_sequences, state.outbox_bytes, state.outbox_age_s, state.counters.bursts) == (1, 10, 60.0, 3)
    assert decode(encode(state), TrapState) == state


def test_age_over_a_reboot_without_clock_is_never_negative(tmp_path: Path) -> None:
    """The record is from 2026 and the clock is at 1970."""
    outbox = Outbox(tmp_path / "outbox")
    outbox.add(make_record("s1", [b"x"]), write_frames(tmp_path / "spool", [b"x"]))
    assert outbox_age_s(outbox, Reading(datetime(1970, 1, 1, tzinfo=UTC), 5.0, "another boot", False)) == 0.0


def test_a_damaged_outbox_is_reported(tmp_path: Path) -> None:
    """In the state message."""
    Outbox(tmp_path / "outbox").close()
    (tmp_path / "outbox" / "outbox.db").write_bytes(b"junk" * 4096)
    clock = Reading(datetime(2026, 1, 1, tzinfo=UTC), 5.0, "boot", True)
    state = trap_state("t", BundleIdentity("demo", 1, "0" * 64), "r", "d", Outbox(tmp_path / "outbox"), clock)
    assert "set aside" in state.degraded[0]
    assert json.loads(encode(state))["degraded"]


def test_scoring_gives_a_heartbeat_for_every_picture(tmp_path: Path) -> None:
    """For each picture read and each one scored, so that a burst may take as long as it needs."""
    beats: list[int] = []
    trap = Observer("t", Told(0.9), BUNDLE, Outbox(tmp_path / "o"), reading, heartbeat=lambda: beats.append(1))
    assert trap.observe(burst_of(tmp_path / "b", [jpeg(slope(n).resize((64, 48))) for n in range(6)])).safe
    assert len(beats) >= 12


def test_a_part_whose_work_is_done_needs_no_heartbeat() -> None:
    """After a recording has ended, delivery goes on."""
    now_s = [0.0]
    watchdog = Watchdog({"observing": 10, "delivery": 10}, lambda: now_s[0])
    watchdog.forget("observing")
    watchdog.forget("observing")
    now_s[0] = 11.0
    watchdog.beat("delivery")
    assert watchdog.overdue() == []


def test_the_state_has_the_battery_if_known_and_a_place_never(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel gives the volts; long reasons are cut to what a message may hold."""
    supply = tmp_path / "supplies" / "BAT0"
    supply.mkdir(parents=True)
    (supply / "type").write_text("Battery\n")
    (supply / "voltage_now").write_text("12340000\n")
    monkeypatch.setattr(health, "_SUPPLIES", supply.parent)
    clock, identity = Reading(datetime(2026, 1, 1, tzinfo=UTC), 5.0, "boot", True), BundleIdentity("demo", 1, "0" * 64)
    outbox = Outbox(tmp_path / "o")
    state = trap_state("t", identity, "r", "d", outbox, clock, 0, ("x" * 500,))
    assert (state.battery_v, state.latitude, state.longitude) == (12.34, None, None)
    assert decode(encode(state), TrapState) == state
