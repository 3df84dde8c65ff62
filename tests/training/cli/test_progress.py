"""What a long command tells where there is no terminal: a line a minute, with rate and time left."""

import itertools

import pytest

from uncia_training.cli.progress import line_reporter, progress_bars


def told(capsys: pytest.CaptureFixture[str], step_s: float, counts: list[int], total: int) -> list[str]:
    """The lines after each count of pictures, so many seconds between them."""
    seconds = itertools.count()
    report = line_reporter(lambda: next(seconds) * step_s)
    for done in counts:
        report("pictures", done, total)
    return capsys.readouterr().err.splitlines()


def test_a_line_a_minute_tells_rate_and_time_left(capsys: pytest.CaptureFixture[str]) -> None:
    """Ten a second: six lines in six minutes, though there is something to tell every second."""
    lines = told(capsys, 1.0, [10 * second for second in range(361)], 7200)
    assert len(lines) == 6
    assert lines[0] == "uncia-train: pictures: 590 of 7200, 10.0/s, about 11 min left"


def test_a_short_command_tells_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """Under a minute."""
    assert told(capsys, 1.0, list(range(50)), 50) == []


def test_what_an_earlier_run_left_is_not_counted_as_speed(capsys: pytest.CaptureFixture[str]) -> None:
    """A command that goes on begins with what is done."""
    assert told(capsys, 40.0, [5000, 5600], 6200) == ["uncia-train: pictures: 5600 of 6200, 15.0/s, about 1 min left"]


def test_a_step_of_unknown_length_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    """Without a count there is no rate."""
    assert told(capsys, 61.0, [0], 0) == ["uncia-train: pictures"]


def test_lines_stand_in_for_bars_where_there_is_no_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the block that every command uses."""
    seconds = itertools.count()
    monkeypatch.setattr("uncia_training.cli.progress.line_reporter.__defaults__", (lambda: next(seconds) * 61.0,))
    with progress_bars() as report:
        report("features", 0, 10)
        report("features", 5, 10)
    assert capsys.readouterr().err.splitlines()[-1].startswith("uncia-train: features: 5 of 10")
