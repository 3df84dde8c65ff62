"""Clients like those of cameras, run in the hub: `hub_clients.py PASSWORD PICTURES`; each folder in PICTURES is one.

A folder is called PROTOCOL-HABIT: `sets` changes a file's time after closing it, `breaks` stops an upload and starts it
again, `renames` uploads under another name first, `plain` does none of this. All upload at the same time.
"""

import ftplib
import io
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

HOST, USER = "127.0.0.1", "cameras"


class Ftp:
    """A connection, with TLS if the camera uses FTPS."""

    def __init__(self, password: str, camera: str) -> None:
        kind = ftplib.FTP_TLS if camera.startswith("ftps") else ftplib.FTP
        self.ftp = kind(HOST, USER, password, timeout=60)
        if isinstance(self.ftp, ftplib.FTP_TLS):
            self.ftp.prot_p()
        if camera not in self.ftp.nlst():
            self.ftp.mkd(camera)
        self.ftp.cwd(camera)

    def put(self, path: Path, name: str) -> None:
        self.ftp.storbinary(f"STOR {name}", io.BytesIO(path.read_bytes()))

    def set_time(self, name: str) -> None:
        self.ftp.sendcmd(f"MDTM 20260501040000 {name}")

    def rename(self, old: str, new: str) -> None:
        self.ftp.rename(old, new)

    def break_off(self, path: Path, name: str) -> None:
        """Send half of a file, then close the connections."""
        content = path.read_bytes()
        wire = self.ftp.transfercmd(f"STOR {name}")
        wire.sendall(content[: len(content) // 2])
        wire.close()
        self.ftp.close()

    def go_on(self, path: Path, name: str) -> None:
        """Send the rest of the file."""
        at = self.ftp.size(name) or 0
        self.ftp.storbinary(f"STOR {name}", io.BytesIO(path.read_bytes()[at:]), rest=at)


class Smb:
    """Debian's smbclient, with one connection for each command."""

    def __init__(self, password: str, camera: str) -> None:
        self.login, self.camera = f"{USER}%{password}", camera
        if f" {camera} " not in self._do("ls", ""):
            self._do(f"mkdir {camera}", "")

    def _do(self, command: str, folder: str | None = None) -> str:
        where = ["-D", self.camera] if folder is None else []
        line = ["smbclient", f"//{HOST}/cameras", "-U", self.login, *where, "-c", command]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def put(self, path: Path, name: str) -> None:
        self._do(f"put {path} {name}")

    def set_time(self, name: str) -> None:
        self._do(f"utimes {name} -1 -1 2026:05:01-04:00:00 -1")

    def rename(self, old: str, new: str) -> None:
        self._do(f"rename {old} {new}")

    def break_off(self, path: Path, name: str) -> None:
        """Leave half of a file, as after a broken connection."""
        half = Path("/tmp") / f"{self.camera}-{name}"
        half.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        self._do(f"put {half} {name}")

    def go_on(self, path: Path, name: str) -> None:
        """Send the file again from its start, because Debian's `reput` would leave only the rest."""
        self._do(f"put {path} {name}")


def upload(password: str, folder: Path) -> None:
    """Upload the pictures of one camera, with its protocol and its way of writing files."""
    camera = folder.name
    protocol, habit = camera.split("-")
    kind = Smb if protocol == "smb" else Ftp
    client = kind(password, camera)
    for number, path in enumerate(sorted(folder.iterdir())):
        if habit == "breaks" and number == 1:
            client.break_off(path, path.name)
            client = kind(password, camera)
            client.go_on(path, path.name)
        elif habit == "renames":
            client.put(path, f"{path.stem}.tmp")
            client.rename(f"{path.stem}.tmp", path.name)
        else:
            client.put(path, path.name)
        if habit == "sets":
            client.set_time(path.name)


if __name__ == "__main__":
    cameras = sorted(Path(sys.argv[2]).iterdir())
    with ThreadPoolExecutor(len(cameras)) as threads:
        list(threads.map(lambda folder: upload(sys.argv[1], folder), cameras))
