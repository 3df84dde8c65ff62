"""Progress of long commands of `uncia-train` (bars on a terminal, else a line a minute), and their interruption."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

ReportProgress = Callable[[str, int, int], None]  # step, number of its parts done, number of all (0: unknown)
EVERY_S = 60.0


class Rate(ProgressColumn):
    """A column with the parts done per second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """The rate, such as `41.3/s`; empty in the first second, when it is not reliable."""
        speed = task.finished_speed or (task.speed if (task.elapsed or 0) > 1 else None)
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress_bars() -> Iterator[ReportProgress]:
    """Show progress on standard error while the block runs; give the function to which progress is reported.

    On a terminal there is a bar for each step; else a line is printed every minute, for logs and batch systems.
    """
    with make_bars() as bars:
        if not bars.disable:
            yield reporter(bars)
            return
        lines, ended = ProgressLines(), threading.Event()
        thread = threading.Thread(target=_print_until, args=(lines, ended.wait), daemon=True)
        thread.start()
        try:
            yield lines.report
        finally:
            ended.set()
            thread.join()


class ProgressLines:
    """The current state of the work, as a line of text."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._now: tuple[str, int, int] | None = None

    def report(self, step: str, done: int, total: int) -> None:
        """Record how many parts of a step are done, and the number of all (0: unknown)."""
        self._begun.setdefault(step, (self._clock(), done))
        self._now = step, done, total

    def line(self) -> str | None:
        """The step reported last, with its rate; None before the first report."""
        if self._now is None:
            return None
        step, done, total = self._now
        since, had = self._begun[step]
        return _line(step, done, total, (done - had) / max(self._clock() - since, 1e-9))


def _print_until(lines: ProgressLines, ended: Callable[[float], bool]) -> None:
    """Print a line every minute until `ended` returns True, also if a step has not progressed."""
    while not ended(EVERY_S):
        if (line := lines.line()) is not None:
            print(f"uncia-train: {line}", file=sys.stderr, flush=True)


def _line(step: str, done: int, total: int, rate: float) -> str:
    """A line such as `pictures: 350 of 875, 5.8/s, about 2 min left`."""
    counted = f": {done}" + (f" of {total}" if total else "") if done else ""
    speed = f", {rate:.1f}/s" if rate >= 1 else f", {rate * 60:.1f}/min" if rate else ""
    left = f", about {(total - done) / rate / 60:.0f} min left" if total and rate else ""
    return f"{step}{counted}{speed}{left}"


def make_bars() -> Progress:
    """The bars, without any step."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip


def reporter(bars: Progress) -> ReportProgress:
    """A function that updates these bars and adds one for each new step."""
    tasks = {}

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=total or None)
        bars.update(tasks[step], completed=done, total=total or None)

    return report


def interrupted(kept: str) -> int:
    """Print what an interrupted command keeps for its next run; return the exit code, 130."""
    print(f"uncia-train: interrupted; {kept}, start the same command again to continue", file=sys.stderr)
    return 130
