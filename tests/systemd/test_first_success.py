"""First success: the guide's few commands, run as printed, on minimal Debian 12 and 13, up to a test sighting.

Station and trap are one container with a real systemd and without a network: apt's packages are installed already, pip
has only the wheels, and `scp` is a copy. The shipped bundle scores.
"""

import json
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.end_to_end.conftest import record_bursts
from tests.systemd.machine import REPOSITORY, Machine, missing

pytestmark = pytest.mark.faults

# Folders bookworm, trixie (debootstrap --variant=minbase --include=systemd,systemd-sysv,python3-venv,mosquitto,udev)
# and wheelhouse (scripts/wheelhouse.py --machine x86_64).
PLACE = Path(os.environ.get("UNCIA_DEBIAN", "/var/tmp/uncia-debian"))
GUIDE = (REPOSITORY / "docs" / "field-guide.md").read_text()
PASSWORD = "a good long password"
LOG_IN = """
import http.cookiejar, urllib.parse, urllib.request
opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(http.cookiejar.CookieJar()))
who = urllib.parse.urlencode({"name": "anara", "password": PASSWORD}).encode()
opener.open("http://127.0.0.1:8080/login", who)
print(opener.open("http://127.0.0.1:8080/?state=test").read().decode())
"""


def commands(machine: str) -> list[str]:
    """The commands of the guide for the station, or for the trap."""
    [part] = re.findall(rf"^### {machine}\n.*?```sh\n(.*?)```", GUIDE, re.DOTALL | re.MULTILINE)
    return [line for line in part.replace("\\\n", "").splitlines() if line]


@pytest.mark.parametrize("machine", ["Base station", "Trap"])
def test_six_commands_are_enough_for_a_machine(machine: str) -> None:
    """The guide's few commands are complete: no command is hidden in the text."""
    assert 0 < len(commands(machine)) <= 6


@pytest.fixture(params=["bookworm", "trixie"])
def bare(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """A minimal Debian with the repository's models and a wheelhouse in /srv."""
    lower = PLACE / request.param
    if (
        (lacks := missing()) is not None
        or not (lower / "usr/bin/python3").exists()
        or not (PLACE / "wheelhouse").is_dir()
    ):
        pytest.skip(f"NO {request.param}: needs {lacks or f'{lower} and {PLACE}/wheelhouse'}; nothing was typed there")
    place = tmp_path_factory.mktemp("bare")
    shutil.copytree(REPOSITORY / "models", place / "shared/models")
    shutil.copytree(PLACE / "wheelhouse", place / "shared/wheelhouse")
    log = "[Service]\nStandardOutput=append:/srv/{name}.log\nStandardError=append:/srv/{name}.log\n"
    units = {"mosquitto.service": (lower / "usr/lib/systemd/system/mosquitto.service").read_text()}
    units |= {f"{name}.service.d/log.conf": log.format(name=name) for name in ("uncia-trap", "uncia-collector")}
    machine = Machine(place, {"/etc/hosts": b"127.0.0.1 localhost base.local\n"}, units, lower)
    try:
        yield machine
    finally:
        machine.close()


def type_in(machine: Machine, line: str) -> str:
    """Run one command in /srv; if it asks for a password, give one."""
    line = re.sub(r"^scp -r base\.local:", "cp -r ", line)
    done = machine.run("sh", "-ec", f"cd /srv\n{line}", typed=PASSWORD + "\n")
    logs = "".join(path.read_text()[-2000:] for path in machine.shared.glob("*.log"))
    assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}\n{logs}"
    return done.stdout


def test_from_a_bare_debian_to_a_test_sighting_on_the_page(bare: Machine) -> None:
    """Every command is run as printed; then three pictures without an animal are on the page as a test."""
    for line in commands("Base station"):
        type_in(bare, line)
    bare.run("mkdir", "-p", "/media/card/DCIM")
    for line in commands("Trap"):
        type_in(bare, line)
    record_bursts(bare.shared / "walk", 1)
    type_in(bare, "cp walk/*/*.JPG /media/card/DCIM/")
    listing = "uncia-collect list --data /var/lib/uncia-collector --json"
    bare.wait(lambda: [one["complete"] for one in json.loads(type_in(bare, listing))] == [True], 120)
    [found] = json.loads(type_in(bare, listing))
    assert (found["test"], found["positive"], len(found["files"])) == (True, False, 3)
    (bare.shared / "log_in.py").write_text(LOG_IN.replace("PASSWORD", repr(PASSWORD)))
    page = type_in(bare, "python3 log_in.py")
    assert f"/sequences/ridge-01/{found['id']}" in page
    again = type_in(bare, commands("Trap")[-2])
    assert not re.search(r"^(write|link) ", again, re.MULTILINE)
