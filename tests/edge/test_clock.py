"""When the trap's clock counts as synchronised, and when it is trusted."""

import ctypes
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from uncia_edge import clock
from uncia_edge.clock import Clock, ClockNote, kernel_is_synchronised, read_clock, read_note


class Machine:
    """The kernel's flag, timesyncd's file and an RTC, set by the test."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.rtc, self.boot = folder / "rtc" / "rtc0", folder / "boot_id"
        self.rtc.mkdir(parents=True)
        self.synchronised = False
        self.set_rtc(apart_s=-(10**8))
        self.reboot("one")
        monkeypatch.setattr(clock, "_RTCS", self.rtc.parent)
        monkeypatch.setattr(clock, "_BOOT_ID", self.boot)
        monkeypatch.setattr(clock, "kernel_is_synchronised", lambda: self.synchronised)

    def set_rtc(self, apart_s: float = 0, sets_the_clock: str = "1") -> None:
        (self.rtc / "since_epoch").write_text(f"{datetime.now(UTC).timestamp() + apart_s:.0f}\n")
        (self.rtc / "hctosys").write_text(sets_the_clock)

    def reboot(self, name: str) -> None:
        self.boot.write_text(name + "\n")


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(tmp_path, monkeypatch)


@pytest.mark.parametrize(("status", "synchronised"), [(0x2001, True), (0x2041, False), (0x40, False), (0, True)])
def test_the_kernel_is_asked(monkeypatch: pytest.MonkeyPatch, status: int, synchronised: bool) -> None:
    """Its flag STA_UNSYNC is read at the right place of the struct, and nothing is changed."""

    class Library:
        @staticmethod
        def adjtimex(told: object) -> int:
            told._obj.status = status  # type: ignore[attr-defined]
            return told._obj.modes  # type: ignore[attr-defined,no-any-return]

    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library)
    assert kernel_is_synchronised() is synchronised


def test_the_real_kernel_answers() -> None:
    """Adjtimex returns the clock's state, 0 to 5; state 5 is not an error of the call."""
    told = clock._Timex(modes=0)
    assert ctypes.CDLL(None).adjtimex(ctypes.byref(told)) in range(6)
    assert 0 <= told.maxerror <= 16_000_000


@pytest.mark.parametrize("there", [True, False])
def test_if_adjtimex_is_forbidden_timesyncd_decides(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, there: bool
) -> None:
    """As in a unit with ProtectClock."""
    monkeypatch.setattr(ctypes, "CDLL", lambda name: type("L", (), {"adjtimex": staticmethod(lambda told: -1)}))
    monkeypatch.setattr(clock, "_SYNCHRONISED", tmp_path / "synchronized")
    if there:
        (tmp_path / "synchronized").touch()
    assert kernel_is_synchronised() is there


def test_a_clock_that_was_synchronised_in_this_boot_stays_trusted(machine: Machine, tmp_path: Path) -> None:
    """Nine hours after the last time server the kernel calls it unsynchronised; the trap still trusts it."""
    trap = Clock(tmp_path)
    machine.synchronised = True
    trap.remember()
    machine.synchronised = False
    assert (trap.read().synchronised, trap.read().trusted) == (False, True)
    machine.reboot("two")
    assert (Clock(tmp_path).read().synchronised, Clock(tmp_path).read().trusted) == (False, False)


@pytest.mark.parametrize(
    ("apart_s", "sets_the_clock", "age", "synchronised"),
    [
        (0, "1", timedelta(days=30), True),
        (0, "0", timedelta(days=30), False),
        (60, "1", timedelta(days=30), False),
        (0, "1", timedelta(days=500), False),
        (0, "1", timedelta(days=-1), False),
    ],
    ids=["an RTC", "one that sets no clock", "another time", "noted long ago", "noted in the future"],
)
def test_an_rtc_that_had_the_right_time_counts_as_synchronised(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, apart_s: float, sets_the_clock: str, age: timedelta,
    synchronised: bool,
) -> None:  # fmt: skip
    """After a boot without a network."""
    monkeypatch.setattr(clock.time, "clock_gettime", lambda which: 100.0)
    machine.set_rtc(apart_s, sets_the_clock)
    note = ClockNote("an earlier boot", datetime.now(UTC) - age, rtc=True)
    assert read_clock(note).synchronised is synchronised
    assert not read_clock(ClockNote("an earlier boot", note.at)).synchronised


def test_an_rtc_is_noted_once_it_agrees(machine: Machine, tmp_path: Path) -> None:
    """The kernel sets the RTC up to eleven minutes after the clock was synchronised."""
    trap = Clock(tmp_path)
    machine.synchronised = True
    trap.remember()
    assert not read_note(tmp_path).rtc
    machine.set_rtc()
    trap.remember()
    assert read_note(tmp_path).rtc


def test_a_clock_that_nobody_synchronised_is_not_noted(machine: Machine, tmp_path: Path) -> None:
    """Whatever time the RTC has."""
    machine.set_rtc()
    Clock(tmp_path).remember()
    assert read_note(tmp_path) is None


def test_a_person_may_confirm_the_clock(machine: Machine, tmp_path: Path) -> None:
    """That counts for this boot, and for the next ones only with an RTC."""
    Clock(tmp_path).is_right()
    assert Clock(tmp_path).read().synchronised
    machine.reboot("two")
    assert not Clock(tmp_path).read().trusted
    machine.set_rtc()
    Clock(tmp_path).is_right()
    machine.reboot("three")
    assert Clock(tmp_path).read().synchronised


def test_a_damaged_note_is_ignored(machine: Machine, tmp_path: Path) -> None:
    """Only the trust in the clock is lost."""
    (tmp_path / clock.NOTE).write_bytes(b"\0" * 40)
    assert not Clock(tmp_path).read().trusted
