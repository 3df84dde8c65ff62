"""A real systemd as process 1 of a container, on a copy-on-write view of this machine's files.

It changes nothing outside of the container: its root is an overlay in memory, its network has only a loopback, and it
has its own control group and none of this machine's units. The shipped units run in it unchanged.
"""

import os
import pty
import select
import shutil
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("contract", "backbones", "edge", "training", "converter", "collector", "simulation")
TARGETS = ("sysinit", "basic", "network", "time-sync", "multi-user", "shutdown", "umount")
DEBIANS_BROKER = Path("/lib/systemd/system/mosquitto.service")
_INIT = Path("/lib/systemd/systemd")

# The outer script creates the control group; the inner one becomes process 1.
_OUTER = """
mount -t cgroup2 cgroup2 {place}/cgroup && mkdir {place}/cgroup/{name} || exit 1
before=$(sed -n 's/^0:://p' /proc/self/cgroup)
echo $$ > {place}/cgroup/{name}/cgroup.procs || exit 1
unshare --mount --pid --fork --kill-child=KILL --uts --ipc --net --cgroup --propagation private sh {place}/inner
echo $$ > {place}/cgroup$before/cgroup.procs
find {place}/cgroup/{name} -depth -type d -exec rmdir {{}} ';'
"""
_INNER = """
set -e
ip link set lo up
mount -t overlay overlay -o lowerdir={lower},upperdir={place}/upper,workdir={place}/work {place}/root
cd {place}/root
mount -t proc proc proc
mount --bind proc/sys proc/sys && mount -o remount,ro,bind proc/sys
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs -o mode=755 tmpfs dev
for device in null zero full random urandom tty; do touch dev/$device; mount --bind /dev/$device dev/$device; done
touch dev/console && mount --bind $(tty) dev/console
ln -s /proc/self/fd dev/fd && ln -s pts/ptmx dev/ptmx && mkdir -m 1777 dev/shm && mkdir dev/pts
mount -t devpts -o newinstance,ptmxmode=0666,mode=620 devpts dev/pts
mount -t tmpfs -o mode=755 tmpfs run
mkdir run/units && mount --bind {place}/units run/units
mount -t tmpfs -o mode=1777 tmpfs tmp
mount -t tmpfs -o mode=755 tmpfs etc/systemd/system
{installed}mount --bind {place}/shared srv
mount --make-rshared .
exec env -i container=other PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
    SYSTEMD_UNIT_PATH=/etc/systemd/system:/run/units chroot . {init} --system --unit=multi-user.target \
    --log-target=console --show-status=0
"""
_INSTALLED = """for part in python site uncia; do mkdir -p opt/$part; done
mount --bind {python} opt/python && mount --bind {site} opt/site && mount --bind {repository} opt/uncia
"""
_PROGRAM = """#!/bin/sh
export PYTHONHOME=/opt/python LD_LIBRARY_PATH=/opt/python/lib PYTHONPATH={path} PYTHONDONTWRITEBYTECODE=1
exec /opt/python/bin/python3 -c 'import sys; from {module} import main; sys.exit(main())' "$@"
"""


def missing() -> str | None:
    """What this machine lacks for such a container; None if nothing."""
    if os.getuid() != 0:
        return "root"
    tools = [tool for tool in ("unshare", "nsenter", "ip", "systemctl") if shutil.which(tool) is None]
    if tools or not _INIT.exists():
        return ", ".join(tools) or "systemd"
    return None


class Machine:
    """A booted container. `place` is an empty folder; `files` are put into it, and `/srv` is `place/shared`.

    On this machine's files, uncia is installed in it. On those of another Debian (`lower`) only that Debian is.
    """

    def __init__(
        self, place: Path, files: Mapping[str, bytes], units: Mapping[str, str], lower: Path = Path("/")
    ) -> None:
        self.place, self.shared, self.console, self._lower = place, place / "shared", "", lower
        self._disk = Path("/dev/shm") / f"uncia-{os.getpid()}-{place.name}"
        self._lay_out(files, units)
        master, slave = pty.openpty()
        self._process = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", self._disk / "outer"],
                                         stdin=slave, stdout=slave, stderr=slave, start_new_session=True)  # fmt: skip
        os.close(slave)
        self._listener = threading.Thread(target=self._listen, args=(master,), daemon=True)
        self._listener.start()
        self._init = int(self._wait(self._find_init, 30))
        self._wait(lambda: self.run("systemctl", "is-active", "multi-user.target").stdout.strip() == "active", 60)

    def run(self, *command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """Run a command in the container as root."""
        enter = ["nsenter", f"--target={self._init}", "--all", "--root", "env", "--chdir=/", *command]
        return subprocess.run(enter, capture_output=True, text=True, check=False, input=typed)

    def show(self, unit: str, what: str) -> str:
        """The value of a unit's property."""
        return self.run("systemctl", "show", "--value", f"--property={what}", unit).stdout.strip()

    def wait(self, condition: Callable[[], Any], within_s: float = 60.0) -> Any:
        """Wait until a condition returns something true; return that."""
        return self._wait(condition, within_s)

    def close(self) -> None:
        """End all processes of the container."""
        subprocess.run(["kill", "-KILL", str(self._init)], check=False)
        self._process.wait(60)
        shutil.rmtree(self._disk)

    def _lay_out(self, files: Mapping[str, bytes], units: Mapping[str, str]) -> None:
        for folder in ("upper", "work", "root", "units", "cgroup"):
            (self._disk / folder).mkdir(parents=True)
        self.shared.mkdir(exist_ok=True)
        for name in TARGETS:
            (self._disk / "units" / f"{name}.target").write_text(f"[Unit]\nDescription={name}\n")
        for name, text in units.items():
            self._put(self._disk / "units" / name, text.encode())
        for name, content in files.items():
            self._put(self._disk / "upper" / name.lstrip("/"), content)
        path = ":".join([*(f"/opt/uncia/{name}" for name in PACKAGES), "/opt/site"])
        bare = self._lower != Path("/")
        for command, module in (
            () if bare else (("uncia-trap", "uncia_edge.cli.main"), ("uncia-collect", "uncia_collector.cli.main"))
        ):
            program = self._disk / "upper/usr/local/bin" / command
            self._put(program, _PROGRAM.format(path=path, module=module).encode())
            program.chmod(0o755)
        words = {
            "place": self._disk, "name": self._disk.name, "python": sys.base_prefix, "init": _INIT,
            "site": sysconfig.get_paths()["purelib"], "repository": REPOSITORY, "lower": self._lower,
        }  # fmt: skip
        (self._disk / "outer").write_text(_OUTER.format(**words, shared=self.shared))
        inner = _INNER.replace("{place}/shared", str(self.shared)).replace("{installed}", "" if bare else _INSTALLED)
        inner = inner.format(**words)
        (self._disk / "inner").write_text(inner)

    @staticmethod
    def _put(path: Path, content: bytes) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def _listen(self, master: int) -> None:
        while self._process.poll() is None:
            if select.select([master], [], [], 0.5)[0]:
                try:
                    self.console += os.read(master, 65536).decode(errors="replace")
                except OSError:
                    return

    def _find_init(self) -> int | None:
        """The process that is number 1 in the container."""
        assert self._process.poll() is None, f"the container did not start: {self.console}"
        for status in Path("/proc").glob("[0-9]*/status"):
            try:
                text, arguments = status.read_text(), (status.parent / "cmdline").read_bytes()
            except OSError:
                continue
            inside = text.split("NSpid:")[1].split("\n")[0].split()
            first = inside[-1] == "1" and len(inside) > 1 and arguments.startswith(str(_INIT).encode())
            if first and (status.parent / "root").readlink() == self._disk / "root":
                return int(status.parent.name)
        return None

    def _wait(self, condition: Callable[[], Any], within_s: float) -> Any:
        deadline = time.monotonic() + within_s
        while not (said := condition()):
            assert time.monotonic() < deadline, f"not within {within_s:g} s; console: {self.console[-3000:]}"
            time.sleep(0.05)
        return said
