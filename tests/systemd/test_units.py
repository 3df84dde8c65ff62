"""The shipped systemd units and the shipped configuration of the broker."""

import re
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.conftest import MOSQUITTO

from support.shipped_broker import Authority, ShippedBroker, shipped_broker
from uncia_collector.ingest import subscriber
from uncia_contract.messages.tls import Tls
from uncia_contract.messages.topics import Topics
from uncia_edge.cli.broker_checks import broker_line
from uncia_edge.cli.one_pass import NO_LINK, NOT_DECIDED, NOT_DELIVERED
from uncia_edge.delivery.link import Acknowledged, Broker, Connected, Link, MqttMessage, Received
from uncia_edge.service import runtime
from uncia_edge.settings import BrokerSettings, PassSettings, TrapSettings

HERE = Path(__file__).parents[2] / "systemd"
UNITS = ["uncia-trap.service", "uncia-collector.service"]
needs_systemd = pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="NO systemd-analyze: install systemd")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A root folder with the commands and files that the units refer to."""
    units, commands = tmp_path / "usr/lib/systemd/system", tmp_path / "usr/local/bin"
    units.mkdir(parents=True)
    commands.mkdir(parents=True)
    for name in ("uncia-trap", "uncia-collect"):
        (commands / name).write_text("#!/bin/sh\n")
        (commands / name).chmod(0o755)
    for name in ("sysinit", "basic", "network", "time-sync", "timers", "multi-user", "shutdown"):
        (units / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
    (units / "system.slice").write_text("[Unit]\nDescription=system\n")
    (units / "-.mount").write_text("[Unit]\nDescription=root\n[Mount]\nWhat=/dev/root\nWhere=/\n")
    for unit in UNITS:
        shutil.copy(HERE / unit, units / unit)
    return tmp_path


def verify(root: Path, unit: str) -> str:
    command = ["systemd-analyze", "verify", "--man=no", "--recursive-errors=no", f"--root={root}", unit]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_says_nothing_that_systemd_does_not_know(root: Path, unit: str) -> None:
    """Standard error is empty; the exit code is 0 even for an unknown key."""
    assert verify(root, unit) == ""


@needs_systemd
def test_the_drop_in_of_the_broker_says_nothing_that_systemd_does_not_know(root: Path) -> None:
    """With a unit like Debian's, and with the script installed."""
    units, script = root / "usr/lib/systemd/system", root / "usr/local/sbin/uncia-broker-database"
    script.parent.mkdir()
    shutil.copy(HERE / script.name, script)
    (units / "mosquitto.service.d").mkdir()
    shutil.copy(HERE / "mosquitto-uncia.conf", units / "mosquitto.service.d" / "uncia.conf")
    (units / "mosquitto.service").write_text("[Service]\nType=notify\nExecStart=/usr/local/bin/uncia-trap\n")
    assert verify(root, "mosquitto.service") == ""


@needs_systemd
def test_the_units_of_passes_say_nothing_that_systemd_does_not_know(root: Path) -> None:
    """The trap's unit with both drop-ins, the timer that starts it, and the unit that powers off after it."""
    units = root / "usr/lib/systemd/system"
    (units / "uncia-trap.service.d").mkdir()
    for name in ("pass", "poweroff"):
        shutil.copy(HERE / f"uncia-trap-{name}.conf", units / f"uncia-trap.service.d/{name}.conf")
    for name in ("uncia-pass.timer", "uncia-poweroff.service"):
        shutil.copy(HERE / name, units / name)
    (root / "usr/bin").mkdir()
    (root / "usr/bin/systemctl").write_text("#!/bin/sh\n")
    (root / "usr/bin/systemctl").chmod(0o755)
    assert [verify(root, unit) for unit in ("uncia-trap.service", "uncia-pass.timer", "uncia-poweroff.service")] == [
        ""
    ] * 3


def test_a_pass_ends_before_its_unit_is_ended(root: Path) -> None:
    """The unit waits longer than a pass takes by default, and its exit codes are no failures."""
    text = (HERE / "uncia-trap-pass.conf").read_text()
    assert int(text.split("TimeoutStartSec=")[1]) > PassSettings().for_s + 60
    assert f"SuccessExitStatus={NO_LINK} {NOT_DELIVERED} {NOT_DECIDED}\n" in text


@needs_systemd
def test_a_misspelt_key_would_be_found(root: Path) -> None:
    """The check above can fail."""
    path = root / "usr/lib/systemd/system" / UNITS[0]
    path.write_text(path.read_text().replace("Restart=always", "Restart=allways"))
    assert "allways" in verify(root, UNITS[0])


@needs_systemd
@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_hardened(unit: str) -> None:
    """`systemd-analyze security` gives an exposure of at most 2.5 of 10."""
    command = ["systemd-analyze", "security", "--offline=yes", "--threshold=25", "--no-pager", str(HERE / unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-300:] + done.stderr[-300:]


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_never_gives_up(unit: str) -> None:
    """Nobody is at the trap for months."""
    text = (HERE / unit).read_text()
    assert "StartLimitIntervalSec=0" in text
    assert "Restart=always" in text


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_is_ready_when_it_says_so_and_is_watched(unit: str) -> None:
    """Type=notify, and a watchdog time that is longer than the programs' own deadlines."""
    text = (HERE / unit).read_text()
    assert "Type=notify" in text
    seconds = int(text.split("WatchdogSec=")[1].split("\n")[0])
    assert seconds >= {"uncia-trap.service": runtime.DEADLINE_S, "uncia-collector.service": subscriber.HANGS_S}[unit]


def test_the_trap_may_go_on_in_memory() -> None:
    """For a read-only card (`uncia_edge.outbox.state_folder`); it is kept over restarts of the service."""
    text = (HERE / "uncia-trap.service").read_text()
    assert "RuntimeDirectory=uncia-trap" in text
    assert "RuntimeDirectoryPreserve=restart" in text


def test_the_trap_may_use_its_camera_its_pir_and_its_coral() -> None:
    """And no other. The unit names kinds of devices, because device names change, and the groups of the udev rules."""
    text = (HERE / "uncia-trap.service").read_text()
    kinds = {"video4linux", "media", "dma_heap", "gpiochip", "usb_device", "apex"}
    assert "DevicePolicy=closed" in text
    assert set(re.findall(r"^DeviceAllow=char-(\w+) rw$", text, re.MULTILINE)) == kinds
    [groups] = re.findall(r"^SupplementaryGroups=(.*)$", text, re.MULTILINE)
    rules = (HERE / "60-uncia.rules").read_text()
    assert set(re.findall(r'GROUP="(\w+)"', rules)) <= set(groups.split())


def test_the_udev_rules_know_a_coral_before_and_after_its_firmware() -> None:
    """Each rule matches something and gives it to a group, readable and writable by it."""
    rules = [line for line in (HERE / "60-uncia.rules").read_text().splitlines() if line and line[0] != "#"]
    assert all(re.fullmatch(r'(\w+(\{\w+\})?=="\w+", )+GROUP="\w+", MODE="0660"', rule) for rule in rules)
    ids = re.findall(r'idVendor\}=="(\w+)", ATTRS\{idProduct\}=="(\w+)"', "\n".join(rules))
    assert ids == [("1a6e", "089a"), ("18d1", "9302")]


@pytest.fixture
def station(tmp_path: Path) -> Iterator[tuple[ShippedBroker, Authority]]:
    """A Mosquitto with the shipped configuration."""
    if MOSQUITTO is None:
        pytest.skip("NO MOSQUITTO: install Debian's package `mosquitto`")
    with shipped_broker(tmp_path) as broker:
        yield broker, broker.authority


def connected(station: Any, name: str) -> Link:
    broker, authority = station
    link = Link(Broker("localhost", broker.port, tls=authority.issue(name)), Topics("ridge-01"), name)
    link.open()
    event = link.events.get(timeout=10)
    assert isinstance(event, Connected), event
    return link


def code_of(link: Link, topic: str) -> int:
    mid = link.publish(MqttMessage(topic, b"{}"))
    while True:
        event = link.events.get(timeout=10)
        if isinstance(event, Acknowledged) and event.mid == mid:
            return event.code


OWN = Topics("ridge-01")
OTHER = Topics("valley-02")


@pytest.mark.parametrize(
    ("topic", "allowed"),
    [
        (OWN.availability, True),
        (OWN.state, True),
        (OWN.record("s1"), True),
        (OWN.chunk("s1", 0, 0), True),
        (OWN.reply, True),
        (OWN.doctor, True),
        (OWN.receipt, False),
        (OWN.command, False),
        (OTHER.record("s1"), False),
        (OTHER.receipt, False),
        (OTHER.command, False),
        ("homeassistant/device/uncia_ridge-01/config", False),
    ],
)
def test_a_trap_speaks_under_its_own_name_and_forges_nothing(station: Any, topic: str, allowed: bool) -> None:
    """The shipped access list on a real broker: a denied message gets 0x87."""
    link = connected(station, "ridge-01")
    assert (code_of(link, topic) != 0x87) is allowed
    link.close()


HOME = "homeassistant/device/uncia_ridge-01/config"


@pytest.mark.parametrize(
    ("who", "topic", "allowed"),
    [
        ("Collector", OWN.receipt, True),
        ("Collector", OWN.command, False),
        ("Collector", OWN.record("s1"), True),  # clears what was retained
        ("Collector", OWN.state, False),
        ("Collector", HOME, True),
        ("Collector-north", OWN.receipt, True),
        ("Collector-north", OWN.command, False),
        ("Ask", OWN.command, True),
        ("Ask", OWN.receipt, False),
        ("Ask", OWN.record("s1"), False),
        ("Check", OWN.command, False),
        ("Check", OWN.receipt, False),
    ],
)
def test_each_program_of_the_station_writes_what_it_must(station: Any, who: str, topic: str, allowed: bool) -> None:
    """Each has its own identity and rights; a member of a group has the collector's rights."""
    station[1].issue(who)
    station[0].stop()
    station[0].start()
    link = connected(station, who)
    assert (code_of(link, topic) != 0x87) is allowed
    link.close()


def test_without_a_certificate_nobody_connects(station: Any) -> None:
    """With mutual TLS."""
    broker, authority = station
    link = Link(Broker("localhost", broker.port, tls=Tls(authority.path)), OWN)
    link.open()
    assert not isinstance(link.events.get(timeout=10), Connected)
    link.close()


def test_a_certificate_of_another_authority_is_refused(station: Any, tmp_path: Path) -> None:
    """And the client refuses a broker of another authority."""
    broker, _ = station
    foreign = Authority(tmp_path / "foreign")
    link = Link(Broker("localhost", broker.port, tls=foreign.issue("ridge-01")), OWN)
    link.open()
    assert not isinstance(link.events.get(timeout=10), Connected)
    link.close()


@pytest.mark.parametrize(
    ("host", "whose", "found"),
    [
        ("localhost", "ridge-01", ("ok", "accept each other")),
        ("127.0.0.1", "ridge-01", ("failed", "IP address mismatch")),
        ("localhost", "foreign", ("failed", "certificate verify failed")),
        ("localhost", "nobody", ("failed", "nowhere: No such file")),
        ("localhost", "mixed", ("failed", "TLSV1_ALERT_UNKNOWN_CA")),
    ],
    ids=["all well", "another name", "another authority", "no files", "a certificate that the broker does not know"],
)
def test_the_doctor_sees_whether_broker_and_trap_believe_each_other(
    station: Any, tmp_path: Path, host: str, whose: str, found: tuple[str, str]
) -> None:
    """Without a connection that could end the running trap's own."""
    broker, authority = station
    foreign = Authority(tmp_path / "foreign")
    tls = (foreign if whose in ("foreign", "mixed") else authority).issue("ridge-01")
    ca = authority.path if whose == "mixed" else tls.authority
    key = tmp_path / "nowhere" if whose == "nobody" else tls.key
    settings = BrokerSettings(host, broker.port, str(ca), str(tls.certificate), str(key))
    line = broker_line(TrapSettings("ridge-01", "b.uncia", broker=settings))
    assert (line.status, found[1] in line.detail) == (found[0], True), line


def test_what_the_broker_saved_survives_a_kill(station: Any) -> None:
    """With the shipped persistence, and saving every second: a retained state is there after `kill -9`."""
    broker, _ = station
    text = broker.configuration.read_text()
    broker.stop()
    broker.configuration.write_text(text.replace("autosave_interval 10", "autosave_interval 1"))
    broker.start()
    trap = connected(station, "ridge-01")
    trap.publish(MqttMessage(OWN.state, b"{}", retain=True))
    saved = broker.folder / "mosquitto.db"
    wait_until(lambda: saved.exists() and OWN.state.encode() in saved.read_bytes())
    broker.kill()
    broker.start()
    listener = connected(station, "Collector")
    connection = listener._connection
    assert connection is not None
    connection.client.subscribe(OWN.state)
    assert next_message(listener) == OWN.state
    trap.close()
    listener.close()


def next_message(link: Link) -> str:
    while True:
        event = link.events.get(timeout=10)
        if isinstance(event, Received):
            return event.topic


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)
