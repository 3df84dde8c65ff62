"""The guide's hub: its commands on a real systemd, with Debian's vsftpd and Samba, and clients like cameras."""

import json
import re
import time
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.edge.scene import jpeg, slope
from tests.end_to_end.conftest import eager_bundle
from tests.systemd.machine import DEBIANS_BROKER, Machine, missing
from tests.systemd.test_field_guide import GUIDE, LEFT_OUT, LOGS, Station, configuration, steps

__all__ = ["eager_bundle"]
pytestmark = pytest.mark.faults

UNITS = Path("/lib/systemd/system")
PASSWORD = "a good long password"
CAMERAS = [
    f"{protocol}-{habit}" for protocol in ("ftp", "ftps", "smb") for habit in ("plain", "sets", "breaks", "renames")
]
PYTHON = "PYTHONHOME=/opt/python LD_LIBRARY_PATH=/opt/python/lib /opt/python/bin/python3"
START = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)


def hub_steps() -> list[str]:
    """The guide's commands for FTP and FTPS, and for SMB, each as one script with the password."""
    [section] = re.findall(r"^### A hub .*?\n(.*?)(?=^### )", GUIDE, re.DOTALL | re.MULTILINE)
    scripts = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return ["\n".join(line for line in script.splitlines() if not line.startswith(LEFT_OUT)) for script in scripts]


def hub_configuration() -> str:
    """The guide's trap.toml with the two changes for a hub."""
    text = configuration().replace('folder = "/media/card/DCIM"', 'folder = "/srv/cameras"')
    changed = re.sub(r"^# per_folder = true", "per_folder = true", text, flags=re.MULTILINE)
    assert (changed.count("/srv/cameras"), changed.count("\nper_folder = true")) == (1, 1)
    return changed


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory, eager_bundle: Path) -> Iterator[Station]:
    """Sections 2, 3 and 5 of the guide and its hub, with a bundle for which every burst is positive."""
    needed = {"vsftpd": UNITS / "vsftpd.service", "samba": UNITS / "smbd.service", "mosquitto": DEBIANS_BROKER}
    needed["smbclient"] = Path("/usr/bin/smbclient")
    lacks = missing() or " ".join(name for name, path in needed.items() if not path.exists())
    if lacks:
        pytest.skip(f"NO HUB: needs {lacks}; the guide's hub was not set up")
    units = {path.name: path.read_text() for path in needed.values() if path.suffix == ".service"}
    for name in ("uncia-trap", "uncia-collector", "mosquitto", "vsftpd", "smbd"):
        units[f"{name}.service.d/log.conf"] = LOGS.format(name=name)
    files = {
        "/etc/hosts": b"127.0.0.1 localhost base.local\n",
        "/etc/uncia/trap.toml": hub_configuration().encode(),
        "/etc/login.defs": Path("/etc/login.defs").read_bytes() + b"HOME_MODE 0700\n",  # as Debian 13 has it
    }
    machine = Machine(tmp_path_factory.mktemp("machine"), files, units)
    station = Station(machine)
    try:
        machine.run("mkdir", "-p", "/var/lib/private", "/etc/udev/rules.d")
        for script in hub_steps():
            done = machine.run("sh", "-ec", script, typed=f"{PASSWORD}\n{PASSWORD}\n")
            assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}\n{machine.console[-2000:]}"
        station.do("chmod 700 /var/lib/private")
        for section in (2, 3, 5):
            station.do(steps(section))
        (machine.shared / "eager.uncia").write_bytes(eager_bundle.read_bytes())
        station.do("cp /srv/eager.uncia /etc/uncia/snow-leopard-starter-2.uncia\nsystemctl restart uncia-trap")
        yield station
    finally:
        machine.close()


def seen(hub: Station) -> Counter[tuple[str, int]]:
    """How many complete sequences each camera has, by their number of frames."""
    listed = json.loads(hub.do("uncia-collect list --data /var/lib/uncia-collector --json"))
    return Counter((one["camera"], len(one["files"])) for one in listed if one["complete"])


def test_cameras_upload_by_ftp_ftps_and_smb_and_each_has_its_burst(hub: Station) -> None:
    """Twelve at once: plain, setting times, breaking off, renaming; each frame arrives once."""
    for number, camera in enumerate(CAMERAS):
        (folder := hub.machine.shared / "pictures" / camera).mkdir(parents=True)
        for frame in range(3):
            content = jpeg(slope(10 * number + frame), START + timedelta(seconds=frame))
            (folder / f"IMG_{frame}.JPG").write_bytes(content)
    hub.do(f"{PYTHON} /opt/uncia/tests/systemd/hub_clients.py '{PASSWORD}' /srv/pictures")
    expected = Counter({(camera, 3): 1 for camera in CAMERAS})
    hub.machine.wait(lambda: sum(seen(hub).values()) >= len(CAMERAS), 180)
    time.sleep(15)  # longer than a burst's quiet: nothing comes a second time
    assert seen(hub) == expected


def test_a_wrong_password_and_a_stranger_are_refused(hub: Station) -> None:
    """Neither clients without the cameras' password nor other users of the machine can write here."""
    refused = "import ftplib, sys; ftplib.FTP('127.0.0.1', *sys.argv[1:])"
    for who in (f"cameras '{PASSWORD[:-1]}'", "anonymous x", "root ''"):
        done = hub.machine.run("sh", "-c", f'{PYTHON} -c "{refused}" {who}')
        assert "530" in done.stderr, f"{who}: {done.stderr}"


def test_the_certificate_and_the_key_are_the_hubs_own(hub: Station) -> None:
    """Only root can read the key; the certificate is valid for 30 years."""
    assert hub.do("stat -c '%U %a' /etc/ssl/private/cameras.key").strip() == "root 600"
    assert "CN" in hub.do("openssl x509 -in /etc/ssl/certs/cameras.pem -noout -checkend 900000000 -subject")
