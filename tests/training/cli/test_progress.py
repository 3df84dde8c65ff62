"""The progress of a long command without a terminal: a line a minute, with rate and time left."""

import threading

import pytest

from uncia_training.cli import progress
from uncia_training.cli.progress import ProgressLines, _print_until, progress_bars


def lines_of(reports: dict[int, tuple[str, int, int]], until_s: int, capsys: pytest.CaptureFixture[str]) -> list[str]:
    """The lines printed in this number of seconds, with reports at some of them."""
    now = 0
    lines = ProgressLines(lambda: now)

    def ended(seconds: float) -> bool:
        nonlocal now
        for _ in range(int(seconds)):
            now += 1
            if now in reports:
                lines.report(*reports[now])
        return now > until_s

    _print_until(lines, ended)
    return capsys.readouterr().err.splitlines()


def test_a_line_a_minute_gives_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten a second: six lines in six minutes, though there is a report every second."""
    lines = lines_of({second: ("pictures", 10 * (second - 1), 7200) for second in range(1, 361)}, 360, capsys)
    assert len(lines) == 6
    assert lines[0] == "uncia-train: pictures: 590 of 7200, 10.0/s, about 11 min left"


def test_a_step_without_reports_still_prints_lines(capsys: pytest.CaptureFixture[str]) -> None:
    """One fit of three minutes, whose length is unknown."""
    assert lines_of({1: ("choosing the penalty", 0, 0)}, 200, capsys) == ["uncia-train: choosing the penalty"] * 3


def test_a_slow_step_has_a_rate_per_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """Two fits in the first minute."""
    lines = lines_of({1: ("fits", 0, 10), 50: ("fits", 2, 10)}, 70, capsys)
    assert lines == ["uncia-train: fits: 2 of 10, 2.0/min, about 4 min left"]


def test_a_short_command_prints_no_progress(capsys: pytest.CaptureFixture[str]) -> None:
    """Less than a minute."""
    assert lines_of({1: ("pictures", 1, 50)}, 50, capsys) == []


def test_the_work_of_an_earlier_run_does_not_count_in_the_rate(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that continues begins with the finished part."""
    lines = lines_of({20: ("pictures", 5000, 6200), 60: ("pictures", 5600, 6200)}, 110, capsys)
    assert lines == ["uncia-train: pictures: 5600 of 6200, 15.0/s, about 1 min left"]


def test_lines_replace_bars_without_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In the context manager of every command; its thread ends with it."""
    told = threading.Event()
    monkeypatch.setattr(progress, "EVERY_S", 0.001)
    monkeypatch.setattr(progress, "_line", lambda *of: told.set() or f"{of[0]} {of[1]}")
    before = threading.active_count()
    with progress_bars() as report:
        report("features", 5, 10)
        assert told.wait(30)
    assert threading.active_count() == before
    assert "uncia-train: features 5" in capsys.readouterr().err
