"""A hub: FTP cameras write into one folder each, and one trap scores for all. With a real vsftpd and such clients."""

import ftplib
import io
import os
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.edge.scene import jpeg, slope
from tests.end_to_end.conftest import STARTER
from tests.end_to_end.test_trap_life import Base, base, wait

from uncia_contract.errors import ConfigurationError
from uncia_contract.messages.records import SequenceRecord, decode
from uncia_edge.service.camera_signs import CameraSigns
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import CameraSettings, read_settings

__all__ = ["base"]
CONFIGURATION = """
listen=YES
listen_address=127.0.0.1
listen_port={port}
background=NO
anonymous_enable=YES
no_anon_password=YES
anon_root={root}
write_enable=YES
anon_upload_enable=YES
anon_mkdir_write_enable=YES
anon_other_write_enable=YES
anon_umask=022
mdtm_write=YES
secure_chroot_dir={root}/../empty
ftp_username=ftp
"""
START = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)


@pytest.fixture
def server(tmp_path: Path) -> Iterator[int]:
    """Run vsftpd on a folder; yield its port."""
    program = shutil.which("vsftpd") or "/usr/sbin/vsftpd"
    if not Path(program).exists() or os.getuid() != 0:
        pytest.skip("NO VSFTPD: install Debian's package `vsftpd`, and be root")
    for folder in tmp_path, *list(tmp_path.parents)[:2]:
        folder.chmod(0o755)
    (tmp_path / "ftp/cameras").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    shutil.chown(tmp_path / "ftp/cameras", "ftp")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    (tmp_path / "vsftpd.conf").write_text(CONFIGURATION.format(port=port, root=tmp_path / "ftp"))
    process = subprocess.Popen([program, str(tmp_path / "vsftpd.conf")])
    wait(lambda: _answers(port))
    yield port
    process.terminate()
    process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def picture(seed: int, second: int) -> bytes:
    return jpeg(slope(seed), START + timedelta(seconds=second))


class FtpCamera:
    """The FTP client of a camera."""

    def __init__(self, port: int, name: str) -> None:
        self.ftp = ftplib.FTP()
        self.ftp.connect("127.0.0.1", port, timeout=20)
        self.ftp.login()
        self.ftp.cwd("cameras")
        if name not in self.ftp.nlst():
            self.ftp.mkd(name)
        self.ftp.cwd(name)

    def store(self, name: str, content: bytes, rest: int | None = None) -> None:
        self.ftp.storbinary(f"STOR {name}", io.BytesIO(content[rest or 0 :]), rest=rest)

    def break_off(self, name: str, content: bytes) -> None:
        """Send half of a file, then break the connection."""
        wire = self.ftp.transfercmd(f"STOR {name}")
        wire.sendall(content[: len(content) // 2])
        wire.close()
        self.ftp.close()


def of_each_camera(base: Base) -> dict[str, list[int]]:
    """The frames of each sequence, by camera, in the catalogue."""
    found: dict[str, list[int]] = {}
    for row in base.rows():
        record = decode(row.record, SequenceRecord)
        found.setdefault(record.camera, []).append(len(record.frames))
    return found


@pytest.fixture
def hub(base: Base, eager_bundle: Path, tmp_path: Path, server: int) -> Iterator[Runtime]:
    camera = CameraSettings(
        "watched", str(tmp_path / "ftp/cameras"), per_folder=True, settle_s=0.5, quiet_s=2.0, watch="inotify"
    )
    with Runtime(base.trap(eager_bundle, camera)) as trap:
        worker = threading.Thread(target=trap.run, daemon=True)
        worker.start()
        yield trap
        trap.stop()
        worker.join(30)


def test_cameras_that_upload_at_once_are_told_apart(base: Base, hub: Runtime, server: int) -> None:
    """Eight upload in parallel pictures of the same second: each has one burst with its name, and is listed."""

    def upload(number: int) -> None:
        camera = FtpCamera(server, f"cam{number}")
        for frame in range(3):
            camera.store(f"IMG_{frame}.JPG", picture(10 * number + frame, frame))
        camera.ftp.quit()

    threads = [threading.Thread(target=upload, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    wait(lambda: len(base.rows()) == 8 and all(row.frames_stored == 3 for row in base.rows()), 60)
    assert of_each_camera(base) == {f"cam{number}": [3] for number in range(8)}
    hub.tell_state()
    wait(lambda: base.state() is not None and len(base.state().cameras) == 8)


def test_clients_as_they_are_lose_and_double_nothing(base: Base, hub: Runtime, server: int) -> None:
    """One sets times after closing, one stops and starts again, one renames after uploading."""
    sets, breaks, renames = (FtpCamera(server, name) for name in ("sets", "breaks", "renames"))
    for frame in range(2):
        sets.store(f"S{frame}.JPG", picture(1 + frame, frame))
        sets.ftp.sendcmd(f"MDTM 2026050104000{frame} S{frame}.JPG")
        renames.store(f"R{frame}.tmp", picture(5 + frame, frame))
        renames.ftp.rename(f"R{frame}.tmp", f"R{frame}.JPG")
    first, second = picture(8, 0), picture(9, 1)
    breaks.break_off("B0.JPG", first)
    again = FtpCamera(server, "breaks")
    again.store("B0.JPG", first, rest=again.ftp.size("B0.JPG") or 0)
    again.store("B1.JPG", second)
    wait(lambda: len(base.rows()) >= 3 and all(row.completed_at for row in base.rows()), 60)
    time.sleep(4.0)  # nothing comes a second time
    assert of_each_camera(base) == {"sets": [2], "renames": [2], "breaks": [2]}


@pytest.mark.parametrize("kind", ["recorded", "picamera2"])
def test_only_a_watched_folder_can_be_a_hub(tmp_path: Path, kind: str) -> None:
    """One clear line."""
    (tmp_path / "trap.toml").write_text(
        f'trap = "r"\nbundle = "{STARTER}"\n[camera]\nkind = "{kind}"\nfolder = "x"\nper_folder = true\n'
    )
    with pytest.raises(ConfigurationError, match=f'per_folder works only with kind = "watched", got {kind}'):
        read_settings(tmp_path / "trap.toml")


def test_signs_of_life_outlive_a_restart(tmp_path: Path) -> None:
    """A camera that was silent since then is listed with its last time."""
    signs = CameraSigns(tmp_path, lambda: START)
    signs.note("cam1")
    signs.note("cam1")
    signs.note("")
    signs.save()
    [kept] = CameraSigns(tmp_path).told
    assert (kept.camera, kept.seen_at, kept.bursts) == ("cam1", START, 2)
