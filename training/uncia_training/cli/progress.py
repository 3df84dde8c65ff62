"""What every long command of `uncia-train` shows: bars on a terminal, elsewhere a line a minute; its interruption."""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

ReportProgress = Callable[[str, int, int], None]  # step, how many parts of it are done, of how many (0: unknown)
EVERY_S = 60.0


class Rate(ProgressColumn):
    """How many a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Such as `41.3/s`; nothing in the first second, when it would be anything."""
        speed = task.finished_speed or (task.speed if (task.elapsed or 0) > 1 else None)
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress_bars() -> Iterator[ReportProgress]:
    """Shows how far each step is while the block runs, on standard error; gives what is to be told of it.

    A bar a step on a terminal; else a line a minute, for logs and batch systems.
    """
    with make_bars() as bars:
        if not bars.disable:
            yield reporter(bars)
            return
        lines, ended = ProgressLines(), threading.Event()
        thread = threading.Thread(target=_tell_until, args=(lines, ended.wait), daemon=True)
        thread.start()
        try:
            yield lines.report
        finally:
            ended.set()
            thread.join()


class ProgressLines:
    """Where the work stands, as a line."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._begun: dict[str, tuple[float, int]] = {}
        self._now: tuple[str, int, int] | None = None

    def report(self, step: str, done: int, total: int) -> None:
        """Notes how many parts of a step are done, of how many (0: unknown)."""
        self._begun.setdefault(step, (self._clock(), done))
        self._now = step, done, total

    def line(self) -> str | None:
        """The step that was told of last, with its rate; None before there is one."""
        if self._now is None:
            return None
        step, done, total = self._now
        since, had = self._begun[step]
        return _line(step, done, total, (done - had) / max(self._clock() - since, 1e-9))


def _tell_until(lines: ProgressLines, ended: Callable[[float], bool]) -> None:
    """Prints a line a minute until it is ended, also while a step has nothing new to tell."""
    while not ended(EVERY_S):
        if (line := lines.line()) is not None:
            print(f"uncia-train: {line}", file=sys.stderr, flush=True)


def _line(step: str, done: int, total: int, rate: float) -> str:
    """Such as `pictures: 350 of 875, 5.8/s, about 2 min left`."""
    counted = f": {done}" + (f" of {total}" if total else "") if done else ""
    speed = f", {rate:.1f}/s" if rate >= 1 else f", {rate * 60:.1f}/min" if rate else ""
    left = f", about {(total - done) / rate / 60:.0f} min left" if total and rate else ""
    return f"{step}{counted}{speed}{left}"


def make_bars() -> Progress:
    """The bars, without a step yet."""
    console = Console(stderr=True)
    return Progress(
        TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), Rate(), TimeRemainingColumn(),
        console=console, transient=True, disable=not console.is_terminal,
    )  # fmt: skip


def reporter(bars: Progress) -> ReportProgress:
    """The function that moves these bars, and adds one for each new step."""
    tasks = {}

    def report(step: str, done: int, total: int) -> None:
        if step not in tasks:
            tasks[step] = bars.add_task(step, total=total or None)
        bars.update(tasks[step], completed=done, total=total or None)

    return report


def interrupted(kept: str) -> int:
    """Says what an interrupted command keeps for its next run; the exit code."""
    print(f"uncia-train: interrupted; {kept}, start the same command again to go on", file=sys.stderr)
    return 130
