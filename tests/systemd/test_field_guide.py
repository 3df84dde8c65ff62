"""The commands of the field guide, run on a real systemd with the shipped units and Debian's Mosquitto."""

import json
import re
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.end_to_end.conftest import eager_bundle, record_bursts
from tests.systemd.machine import DEBIANS_BROKER, REPOSITORY, Machine, missing

__all__ = ["eager_bundle"]
pytestmark = pytest.mark.faults

GUIDE = (REPOSITORY / "docs" / "field-guide.md").read_text()
# Commands that need internet, a running udev, or a person.
LEFT_OUT = ("apt ", "udevadm ", "journalctl ")
LOGS = "[Service]\nStandardOutput=append:/srv/{name}.log\nStandardError=append:/srv/{name}.log\n"
DISK = "/var/lib/private/uncia-trap"
# Shorter times than shipped, so that a test does not wait for minutes.
HASTE = "[Service]\nRestartSec=0.1\nWatchdogSec=11\nTimeoutAbortSec=1\n"


def steps(section: int) -> str:
    """The commands of a section of the guide, as one script."""
    text = re.split(r"^## (?=\d\.)", GUIDE, flags=re.MULTILINE)[section]
    [script] = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    return "\n".join(line for line in script.splitlines() if not line.startswith(LEFT_OUT))


def configuration() -> str:
    """The guide's trap.toml."""
    found = re.search(r"```toml\n(.*?)```", GUIDE, re.DOTALL)
    assert found
    return found[1]


class Station:
    """The machine of the guide, which is base station and trap."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine

    def do(self, script: str) -> str:
        """Run a script as root in the repository, as the guide says; its output."""
        done = self.machine.run("sh", "-ec", f"cd /opt/uncia\n{script}")
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{self.log('uncia-trap')}"
        return done.stdout

    def log(self, name: str) -> str:
        """The journal of a service."""
        path = self.machine.shared / f"{name}.log"
        return path.read_text() if path.exists() else ""

    def pid(self, unit: str = "uncia-trap") -> str:
        return self.machine.show(unit, "MainPID")

    def running(self, but: str = "0") -> bool:
        """Whether the trap runs as another process than `but`."""
        return self.pid() not in ("0", but) and self.machine.show("uncia-trap", "ActiveState") == "active"

    def stored(self) -> list[int]:
        """The number of frames of each complete sequence in the catalogue."""
        listed = json.loads(self.do("uncia-collect list --data /var/lib/uncia-collector --json"))
        return [len(sequence["files"]) for sequence in listed if sequence["complete"]]


@pytest.fixture(scope="module")
def station(tmp_path_factory: pytest.TempPathFactory, eager_bundle: Path) -> Iterator[Station]:
    """Sections 2 to 5 of the guide, with a bundle for which every burst is positive; no card is in the trap yet."""
    if (lacks := missing()) is not None or not DEBIANS_BROKER.exists():
        pytest.skip(f"NO SYSTEMD TO BOOT: needs {lacks or 'the package mosquitto'}; the field guide was not walked")
    files = {"/etc/hosts": b"127.0.0.1 localhost base.local\n", "/etc/uncia/trap.toml": configuration().encode()}
    units = {"mosquitto.service": DEBIANS_BROKER.read_text()}
    for name in ("uncia-trap", "uncia-collector", "mosquitto"):
        units[f"{name}.service.d/log.conf"] = LOGS.format(name=name)
    units["uncia-trap.service.d/haste.conf"] = HASTE
    machine = Machine(tmp_path_factory.mktemp("machine"), files, units)
    station = Station(machine)
    try:
        machine.run("mkdir", "-p", DISK, "/media/card", "/etc/udev/rules.d")
        station.do(f"chmod 700 /var/lib/private\nmount -t tmpfs -o mode=700 tmpfs {DISK}\nmount --bind {DISK} /mnt")
        for section in (2, 3, 5):
            station.do(steps(section))
        (machine.shared / "eager.uncia").write_bytes(eager_bundle.read_bytes())
        station.do("cp /srv/eager.uncia /etc/uncia/snow-leopard-starter-2.uncia\nsystemctl restart uncia-trap")
        yield station
    finally:
        machine.close()


def put_bursts(station: Station, name: str, bursts: int = 1) -> None:
    """Put pictures on the card."""
    record_bursts(station.machine.shared / "DCIM" / name, bursts)


def test_the_services_run_as_users_of_their_own(station: Station) -> None:
    """Under the shipped units with all their restrictions."""
    for unit in ("uncia-trap", "uncia-collector"):
        assert station.machine.show(unit, "ActiveState") == "active"
        status = station.do(f"cat /proc/{station.pid(unit)}/status")
        facts = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert int(facts["Uid"].split()[0]) >= 61184
        assert (facts["NoNewPrivs"], facts["Seccomp"], int(facts["CapEff"], 16)) == ("1", "2", 0)


def test_the_traps_working_folder_is_its_own_and_in_memory(station: Station) -> None:
    """The library lgpio creates a pipe for the PIR sensor there, and fails if it may not."""
    place = f"/proc/{station.pid()}/cwd"
    assert station.do(f"readlink {place}").strip().endswith("/run/private/uncia-trap")
    owner, ours = station.do(f"stat -L --format=%u {place} /proc/{station.pid()}").split()
    assert owner == ours


def test_a_card_that_is_mounted_late_is_seen_and_reaches_the_catalogue(station: Station) -> None:
    """Over mutual TLS, with the guide's own certificates. Before that, the trap says what is missing."""
    assert "/media/card/DCIM: no such folder" in station.log("uncia-trap")
    put_bursts(station, "100RECNX")
    station.do("mount --bind /srv /media/card")
    station.machine.wait(lambda: station.stored() == [3])
    assert "1 frames" not in station.log("uncia-trap")


def test_a_broker_whose_database_a_power_cut_damaged_comes_back(station: Station) -> None:
    """The file has NUL bytes, as ext4 leaves after a power cut: it is set aside, and bursts arrive again."""
    before = len(station.stored())
    damage = (
        "cd /var/lib/mosquitto\nsystemctl stop mosquitto\nsize=$(stat -c %s mosquitto.db)\ntruncate -s 0 mosquitto.db"
    )
    station.do(f"{damage}\ntruncate -s $size mosquitto.db\nsystemctl start --no-block mosquitto")
    station.machine.wait(lambda: station.machine.show("mosquitto", "ActiveState") == "active")
    assert station.log("mosquitto").count("the broker's database was damaged") == 1
    put_bursts(station, "105RECNX")
    station.machine.wait(lambda: len(station.stored()) == before + 1)


def test_the_doctor_and_the_base_station_find_it_well(station: Station) -> None:
    """Section 6; the container has no time service."""
    said = station.do("uncia-trap doctor --config /etc/uncia/trap.toml")
    assert [line for line in said.splitlines() if line.startswith(("failed", "warning"))] == [
        line for line in said.splitlines() if line.startswith("warning  clock")
    ]
    assert "connection: the service is connected to base.local:8883" in said
    pid = station.pid()
    assert "pong" in station.do("uncia-collect ask ridge-01 ping --config /etc/uncia/collector.toml")
    assert "restarting" in station.do("uncia-collect ask ridge-01 restart --config /etc/uncia/collector.toml")
    station.machine.wait(lambda: station.running(but=pid))


def test_a_trap_that_is_killed_comes_back_however_often(station: Station) -> None:
    """StartLimitIntervalSec=0: by default systemd gives up after five times."""
    before = int(station.machine.show("uncia-trap", "NRestarts"))
    for _ in range(8):
        station.do(f"kill -KILL {(pid := station.pid())}")
        station.machine.wait(lambda: station.running(but=pid))
    assert int(station.machine.show("uncia-trap", "NRestarts")) == before + 8


def test_a_trap_that_hangs_is_ended_and_comes_back(station: Station) -> None:
    """By the watchdog, after the process was stopped with SIGSTOP."""
    station.machine.wait(station.running)
    station.do(f"kill -STOP {(pid := station.pid())}")
    station.machine.wait(lambda: station.running(but=pid))
    assert "uncia-trap.service: Watchdog timeout" in station.machine.console


def test_a_card_that_is_read_only_is_left_for_memory_and_taken_again(station: Station) -> None:
    """As after a file system error: the trap goes on and delivers, and starts on the card again later."""
    station.do("systemctl stop uncia-trap")
    station.do("mount -o remount,ro /mnt")
    station.do("systemctl start uncia-trap")
    before = len(station.stored())
    assert "Read-only file system; the state is kept in memory" in station.log("uncia-trap")
    put_bursts(station, "101RECNX")
    station.machine.wait(lambda: len(station.stored()) == before + 1)
    assert "POSITIVE" in station.do("uncia-trap log --config /etc/uncia/trap.toml")
    station.do("mount -o remount,rw /mnt\nsystemctl restart uncia-trap")
    assert "moved from memory to the card" in station.log("uncia-trap")
    assert station.do("ls /run/uncia-trap") == ""


def test_a_trap_that_is_stopped_ends_in_order_and_nothing_is_doubled(station: Station) -> None:
    """It stops soon and with success, and after all these tests each burst is in the catalogue once."""
    station.machine.wait(station.running)
    began_s = time.monotonic()
    station.do("systemctl stop uncia-trap")
    assert time.monotonic() - began_s < 30
    assert station.machine.show("uncia-trap", "Result") == "success"
    assert set(station.stored()) == {3}


def test_the_other_sections_hold_nothing_to_run() -> None:
    """Or they would be left out. test_first_success.py has the part before section 1, test_hub_guide.py the hub."""
    sections: list[Any] = re.split(r"^## (?=\d\.)", GUIDE, flags=re.MULTILINE)
    assert [n for n, text in enumerate(sections) if "```sh" in text] == [0, 2, 3, 5, 6]
