"""The machine's clocks, and how far they can be trusted."""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# systemd-timesyncd touches this file when it has set the clock.
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")


@dataclass(frozen=True)
class Reading:
    """A look at the trap's clocks: aware UTC now, seconds since boot, which boot, and whether time is synchronised."""

    now: datetime
    boottime_s: float
    boot_id: str
    synchronised: bool


def read_clock() -> Reading:
    """Now, as this machine knows it."""
    boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "unknown"
    return Reading(datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME), boot_id, _SYNCHRONISED.exists())
