"""The trap's state message: outbox, clock, machine, bundle, and what does not work."""

import os
import shutil
from datetime import UTC, timedelta
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from uncia_contract.errors import StorageError
from uncia_contract.messages.records import BundleIdentity, CameraSign, TrapState
from uncia_edge.clock import Reading
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.records import message_text

_TEMPERATURE = Path("/sys/class/thermal/thermal_zone0/temp")
_UPTIME = Path("/proc/uptime")
_SUPPLIES = Path("/sys/class/power_supply")


def trap_state(
    trap: str,
    bundle: BundleIdentity,
    runtime: str,
    delegate: str,
    outbox: Outbox,
    clock: Reading,
    revision: int = 0,
    degraded: tuple[str, ...] = (),
    next_pass_s: float | None = None,
    cameras: tuple[CameraSign, ...] = (),
) -> TrapState:
    """The state of a trap now. No message says where the trap is.

    Args:
        trap: its id.
        bundle: the bundle that decides.
        runtime: name and version of the model's runtime.
        delegate: what runs the model, e.g. XNNPACK.
        outbox: gives what waits, the totals and the free space.
        clock: a reading of the trap's clocks.
        revision: of the overrides.
        degraded: what does not work, one text for each problem.
        next_pass_s: seconds from this pass to the next (0: unknown); None if the trap makes no passes.
        cameras: the cameras of a hub.
    """
    depth = outbox.depth()
    if outbox.set_aside is not None:
        degraded = (*degraded, f"outbox rebuilt, {outbox.set_aside.name} set aside")
    if not os.access(outbox.folder, os.W_OK):
        degraded = (*degraded, "the card is read-only")
    return TrapState(
        trap=trap,
        bundle=bundle,
        runtime=runtime,
        delegate=delegate,
        software=_software(),
        boot_id=clock.boot_id,
        uptime_s=_uptime_s(),
        sent_at=clock.now.astimezone(UTC),
        clock_synchronised=clock.synchronised,
        disk_free_bytes=shutil.disk_usage(outbox.folder).free,
        outbox_sequences=depth.sequences,
        outbox_bytes=max(0, depth.bytes),
        outbox_age_s=outbox_age_s(outbox, clock),
        counters=outbox.counters(),
        configuration_revision=revision,
        temperature_c=_temperature_c(),
        battery_v=_battery_v(),
        cameras=cameras,
        next_pass_at=clock.now.astimezone(UTC) + timedelta(seconds=next_pass_s) if next_pass_s else None,
        degraded=tuple(message_text(reason[:255]) for reason in degraded),
    )


def outbox_age_s(outbox: Outbox, clock: Reading) -> float:
    """How many seconds the oldest sequence has waited: by the time since boot if it is of this boot, else by dates."""
    try:
        oldest = outbox.queries.oldest()
    except StorageError:
        return 0.0
    if oldest is None:
        return 0.0
    if oldest.clock.boot_id == clock.boot_id:
        return max(0.0, clock.boottime_s - oldest.clock.boottime_s)
    return max(0.0, (clock.now - oldest.ended_at).total_seconds())


def _software() -> str:
    try:
        return f"uncia {version('uncia')}"
    except PackageNotFoundError:
        return "uncia"


def _uptime_s() -> float:
    try:
        return float(_UPTIME.read_text().split()[0])
    except (OSError, ValueError):
        return 0.0


def _battery_v() -> float | None:
    """The voltage of the first battery that the kernel knows; None without one."""
    for supply in sorted(_SUPPLIES.glob("*")):
        try:
            if (supply / "type").read_text().strip() == "Battery":
                return int((supply / "voltage_now").read_text()) / 1e6
        except (OSError, ValueError):
            continue
    return None


def _temperature_c() -> float | None:
    try:
        return int(_TEMPERATURE.read_text()) / 1000
    except (OSError, ValueError):
        return None
