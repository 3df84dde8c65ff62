"""The checks of `uncia-trap doctor` on camera, runtime, bundle, delegate, disk and clock.

Decides whether a line is a warning (the trap still works) or a failure (it does not), and names a remedy for each. It
changes nothing, except for one temporary file in the state folder. `broker_checks` checks the connection.
"""

import os
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from uncia_contract.errors import BundleError, UnciaError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import MODEL
from uncia_edge.bundles.installed import FOLDER, InstalledBundle
from uncia_edge.bundles.trust import trust_of
from uncia_edge.clock import Reading
from uncia_edge.scoring.delegate import probe_in_child
from uncia_edge.settings import TrapSettings

Status = Literal["ok", "warning", "failed"]
_MB = 1_000_000
_WRITE_BYTES = 16 * _MB
_SLOW_MB_S = 2.0  # a burst of thirty 5 MB files would take more than a minute
_EARLIEST_YEAR = 2026


@dataclass(frozen=True)
class Line:
    """The result of one check; `remedy` says what to do, empty if the part is ok."""

    part: str
    status: Status
    detail: str
    remedy: str = ""

    def __str__(self) -> str:
        what = f"{self.status:8s} {self.part}: {self.detail}"
        return f"{what}\n         -> {self.remedy}" if self.remedy else what


def camera_line(settings: TrapSettings) -> Line:
    """Check that the configured camera is there; the Pi's own is not started."""
    camera = settings.camera
    if camera.kind == "picamera2":
        return _pi_camera_line()
    folder = Path(camera.folder) if camera.folder else None
    if folder is None or not folder.is_dir():
        return Line(
            "camera",
            "failed",
            f"{camera.kind}, folder {camera.folder or 'not set'} is not there",
            "set [camera] folder to the folder that the camera writes into",
        )
    if not os.access(folder, os.R_OK | os.X_OK):
        return Line("camera", "failed", f"{folder} cannot be read", "give the trap's user the right to read it")
    return Line("camera", "ok", f"{camera.kind}, {folder}")


def _pi_camera_line() -> Line:
    from uncia_edge.camera.picamera import load_picamera2

    try:
        found = load_picamera2().global_camera_info()
    except (UnciaError, RuntimeError, OSError) as error:
        return Line(
            "camera",
            "failed",
            f"picamera2 is not usable ({error})",
            "apt install python3-picamera2, and make the venv with --system-site-packages",
        )
    if not found:
        return Line(
            "camera", "failed", "picamera2 finds no camera", "check the ribbon cable; rpicam-hello --list-cameras"
        )
    return Line("camera", "ok", f"picamera2: {found[0].get('Model', 'a camera')}")


def runtime_line(settings: TrapSettings) -> Line:
    """Check which TFLite runtime runs the bundle's model, and with which kernels."""
    try:
        info = Interpreter(read_bundle(bundle_file(settings)).members[MODEL], settings.threads).info
    except BundleError as error:
        return Line("runtime", "failed", f"not tried: {error}", "see the bundle below")
    except UnciaError as error:
        return Line("runtime", "failed", str(error), "install a runtime: pip install 'uncia[edge]'")
    if info.delegate == "none":
        return Line(
            "runtime",
            "warning",
            f"{info.name} {info.version} without XNNPACK",
            "install ai-edge-litert: scoring is several times slower without XNNPACK",
        )
    return Line("runtime", "ok", str(info))


def bundle_file(settings: TrapSettings) -> Path:
    """The bundle in use: the configured one, or the one that the base station installed."""
    configured = Path(settings.bundle)
    return InstalledBundle(Path(settings.state) / FOLDER, configured).path or configured


def bundle_line(settings: TrapSettings) -> Line:
    """Check that the bundle is trusted and this machine reproduces its probes."""
    remedy = "copy the bundle again, or make (and sign) it with this version of uncia-convert"
    try:
        bundle = read_bundle(bundle_file(settings), trust_of(settings).vouch)
        found = Classifier(bundle, settings.threads).check_probes()
    except UnciaError as failure:
        return Line("bundle", "failed", str(failure), remedy)
    return Line("bundle", "ok", f"{bundle.manifest.name} version {bundle.manifest.version}, probes within {found}")


def delegate_line(settings: TrapSettings) -> Line:
    """Check in a child process that the configured accelerator runs the bundle."""
    if not settings.delegate:
        return Line("delegate", "ok", "none configured: CPU")
    reason = probe_in_child(bundle_file(settings), settings.delegate)
    if reason:
        return Line(
            "delegate",
            "warning",
            f"{settings.delegate}: {reason}",
            "the CPU scores instead; check bundle, plug, power and libedgetpu's version, or remove `delegate`",
        )
    return Line("delegate", "ok", settings.delegate)


def disk_lines(settings: TrapSettings) -> Iterator[Line]:
    """Check free space on the card of the state folder, and how fast it writes with fsync."""
    state = Path(settings.state)
    try:
        state.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(state).free
        speed = _write_speed(state)
    except OSError as error:
        ours = isinstance(error, PermissionError)
        remedy = "only the service may use it: run as root" if ours else "check the card and its mount (read-only?)"
        yield Line("disk", "failed", f"{state}: {error.strerror}", remedy)
        return
    floor = settings.outbox.free_mb * _MB
    status: Status = "failed" if free < floor else "warning" if free < 4 * floor else "ok"
    remedy = "" if status == "ok" else f"make room: below {floor // _MB} MB nothing new is kept"
    yield Line("disk space", status, f"{free // _MB} MB free at {state}", remedy)
    slow = speed < _SLOW_MB_S
    yield Line(
        "disk speed",
        "warning" if slow else "ok",
        f"{speed:.1f} MB/s written and synced",
        "use a card of class A1 or better; this one may be worn" if slow else "",
    )


def _write_speed(folder: Path) -> float:
    path = folder / ".doctor.tmp"
    block = os.urandom(_MB)
    started = time.monotonic()
    try:
        with path.open("wb") as stream:
            for _ in range(_WRITE_BYTES // _MB):
                stream.write(block)
            stream.flush()
            os.fsync(stream.fileno())
    finally:
        path.unlink(missing_ok=True)
    return _WRITE_BYTES / _MB / (time.monotonic() - started)


def clock_line(reading: Reading) -> Line:
    """Check that the time is plausible and synchronised."""
    when = f"{reading.now:%Y-%m-%d %H:%M:%S} UTC"
    if reading.now.year < _EARLIEST_YEAR:
        return Line("clock", "failed", when, "set it: timedatectl set-time; add an RTC or GPS if there is no network")
    if not reading.synchronised:
        return Line(
            "clock",
            "warning",
            f"{when}, not synchronised",
            "wait for a time server (timesyncd, chrony) or GPS; without either, compare it with your own, set it with"
            " timedatectl set-time, and run doctor with --clock-is-right; otherwise records say that it is not"
            " synchronised, and the trap never sleeps",
        )
    return Line("clock", "ok", f"{when}, synchronised")
