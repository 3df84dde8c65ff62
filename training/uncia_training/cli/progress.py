"""What every long command of `uncia-train` shows: bars on a terminal, and one line when it is interrupted."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task, TextColumn, TimeRemainingColumn
from rich.text import Text

ReportProgress = Callable[[str, int, int], None]  # step, how many parts of it are done, of how many (0: unknown)


class Rate(ProgressColumn):
    """How many a second, over the last half minute."""

    def render(self, task: Task) -> Text:
        """Such as `41.3/s`; nothing in the first second, when it would be anything."""
        speed = task.finished_speed or (task.speed if (task.elapsed or 0) > 1 else None)
        return Text(f"{speed:.1f}/s" if speed else "", style="progress.data.speed")


@contextmanager
def progress_bars() -> Iterator[ReportProgress]:
    """Shows a bar for each step while the block runs, where standard error is a terminal; gives what moves them."""
    with make_bars() as bars:
        yield reporter(bars)


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
