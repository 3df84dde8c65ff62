"""The machine's clocks, and whether they are synchronised or can be trusted.

The clock is synchronised, whichever program sets it (timesyncd, chrony, ntpd, gpsd), if one of these holds:
#1 The kernel says so (adjtimex).
#2 The kernel set it at boot from a real-time clock (RTC), that RTC had the right time when the trap last noted it, and
   the two still agree.
#3 A person compared it in this boot (`uncia-trap doctor --clock-is-right`).
A clock that was synchronised earlier in this boot is still trusted when the kernel no longer calls it synchronised.
"""

import ctypes
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from msgspec import Struct

from uncia_contract.errors import UNDECODABLE
from uncia_contract.files import write_durable

NOTE = "clock.json"
_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
# systemd-timesyncd touches this file when it has set the clock; used only if adjtimex is forbidden.
_SYNCHRONISED = Path("/run/systemd/timesync/synchronized")
_RTCS = Path("/sys/class/rtc")
_UNSYNCHRONISED = 0x40  # STA_UNSYNC of adjtimex(2)
_AGREE_S, _DRIFT = 2.0, 100e-6  # an RTC has whole seconds; drift of the two clocks, per second since boot
_RTC_TRUSTED_FOR = timedelta(days=400)  # a cheap RTC drifts by 20 ppm: eleven minutes in that time
_NOTED_APART = timedelta(days=1)


@dataclass(frozen=True)
class Reading:
    """A reading of the trap's clocks: aware UTC time, seconds since boot, boot id, whether time is synchronised.

    `was_synchronised` says whether it was synchronised earlier in this boot.
    """

    now: datetime
    boottime_s: float
    boot_id: str
    synchronised: bool
    was_synchronised: bool = False

    @property
    def trusted(self) -> bool:
        """Whether the time of day is right enough for planned sleep."""
        return self.synchronised or self.was_synchronised


class ClockNote(Struct, frozen=True):
    """A note that the clock was right at `at`; `rtc`: an RTC had the same time; `by_hand`: a person said so."""

    boot_id: str
    at: datetime
    rtc: bool = False
    by_hand: bool = False


def read_clock(note: ClockNote | None = None) -> Reading:
    """Read the machine's clocks; `note` is the last one that was stored."""
    boot_id = _BOOT_ID.read_text().strip() if _BOOT_ID.exists() else "unknown"
    now, boottime_s = datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME)
    this_boot = note is not None and note.boot_id == boot_id and boot_id != "unknown"
    right = (
        kernel_is_synchronised()  # #1
        or (note is not None and _was_set_by_rtc(note, now, boottime_s))  # #2
        or (this_boot and note is not None and note.by_hand)  # #3
    )
    return Reading(now, boottime_s, boot_id, right, this_boot)


class Clock:
    """A trap's clocks, and the note about them in its state folder."""

    def __init__(self, folder: Path, read: Callable[[ClockNote | None], Reading] = read_clock) -> None:
        self._file, self._read = folder / NOTE, read
        self._note = read_note(folder)

    def read(self) -> Reading:
        """Read the clocks, with the stored note."""
        return self._read(self._note)

    def remember(self) -> None:
        """Note that the clock is right if the kernel says so: once a boot, once a day, and when an RTC agrees.

        Raises:
            OSError: the card cannot be written.
        """
        if not kernel_is_synchronised():
            return
        reading, rtc, note = self.read(), rtc_agrees(), self._note
        if note is None or note.boot_id != reading.boot_id or rtc > note.rtc or reading.now - note.at > _NOTED_APART:
            self._keep(ClockNote(reading.boot_id, reading.now, rtc))

    def is_right(self) -> None:
        """Note that a person compared the clock and found it right.

        Raises:
            OSError: the card cannot be written.
        """
        reading = self.read()
        self._keep(ClockNote(reading.boot_id, reading.now, rtc_agrees(), by_hand=True))

    def _keep(self, note: ClockNote) -> None:
        write_durable(self._file, msgspec.json.encode(note))
        self._file.chmod(0o644)  # if root wrote it, the service must still read it
        self._note = note


def read_note(folder: Path) -> ClockNote | None:
    """The note in a state folder; None if there is none or it cannot be read."""
    try:
        return msgspec.json.decode((folder / NOTE).read_bytes(), type=ClockNote)
    except (OSError, *UNDECODABLE):
        return None


class _Timex(ctypes.Structure):
    """The first fields of struct timex (adjtimex(2)); `padding` stands for the others."""

    _fields_ = (
        ("modes", ctypes.c_uint), ("offset", ctypes.c_long), ("freq", ctypes.c_long), ("maxerror", ctypes.c_long),
        ("esterror", ctypes.c_long), ("status", ctypes.c_int), ("padding", ctypes.c_byte * 256),
    )  # fmt: skip


def kernel_is_synchronised() -> bool:
    """Whether the kernel calls its clock synchronised; if adjtimex is forbidden, whether timesyncd has set it."""
    told = _Timex(modes=0)  # changes nothing
    try:
        refused = ctypes.CDLL(None).adjtimex(ctypes.byref(told)) < 0
    except (OSError, AttributeError):
        refused = True
    return _SYNCHRONISED.exists() if refused else not told.status & _UNSYNCHRONISED


def rtc_agrees() -> bool:
    """Whether an RTC from which the kernel sets its clock at boot has the same time now."""
    return _rtc_agrees(datetime.now(UTC), time.clock_gettime(time.CLOCK_BOOTTIME))


def _was_set_by_rtc(note: ClockNote, now: datetime, boottime_s: float) -> bool:
    """Rule #2. A time before the note means that the clock went back, as after an RTC's battery was empty."""
    return note.rtc and note.at <= now <= note.at + _RTC_TRUSTED_FOR and _rtc_agrees(now, boottime_s)


def _rtc_agrees(now: datetime, boottime_s: float) -> bool:
    for rtc in sorted(_RTCS.glob("*")):
        try:
            sets_the_clock = (rtc / "hctosys").read_text().strip() == "1"
            apart_s = abs(int((rtc / "since_epoch").read_text()) - now.timestamp())
        except (OSError, ValueError):
            continue
        if sets_the_clock and apart_s <= _AGREE_S + _DRIFT * boottime_s:
            return True
    return False
