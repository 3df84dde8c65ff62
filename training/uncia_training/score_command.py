"""`uncia-train score`: its arguments, and what it prints and leaves."""

import argparse
import os
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from rich.progress import Progress

from uncia_contract.archive import archive_of
from uncia_contract.archive_scores import score_log
from uncia_contract.bundle import read_bundle
from uncia_contract.errors import DataError
from uncia_contract.scoring import Strips
from uncia_training.archive_run import LocalScorer, Outcome, ScoringRule
from uncia_training.score_results import FORMATS, write_results
from uncia_training.sorting import Sorting

Bars = Callable[[], Progress]
Teller = Callable[[Progress], Callable[[str, int, int], None]]
LOG = "scored.jsonl"


def add_score(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add = command.add_argument
    add("archive", type=Path, metavar="ARCHIVE", help="folder with pictures, at any depth; only ever read")
    add("--bundle", type=Path, required=True, metavar="FILE", help="the bundle that decides")
    add("--out", type=Path, required=True, metavar="DIR", help="where scores.csv, scores.json, scores.parquet are left")
    add("--engine", choices=("local", "spark"), default="local", help="this process's threads, or Spark (local)")
    add("--write", default=",".join(FORMATS), metavar="LIST", help="of csv,json,parquet (all)")
    add("--sort-into", type=Path, metavar="DIR", help="sort the pictures into folders there, one a verdict")
    add("--sort-by", choices=("link", "copy"), default="link", help="symbolic links or copies (link)")
    add("--strips", metavar="TOP,BOTTOM", help="burnt-in info strips, in fractions of the height, such as 0.03,0.06")
    add("--workers", type=int, metavar="N", help="threads (as many as there are cores)")


def run_score(arguments: argparse.Namespace, bars: Bars, teller: Teller) -> int:
    """Scores, writes, tells; the exit code."""
    formats = _formats(arguments.write)
    rule = ScoringRule(read_bundle(arguments.bundle), _strips(arguments.strips))
    archive = archive_of(arguments.archive)
    sorting = _sorting(arguments, rule)
    begun = time.monotonic()
    try:
        with bars() as shown, score_log(arguments.out / LOG) as log:
            tell = teller(shown)
            workers = arguments.workers or len(os.sched_getaffinity(0))
            outcome = LocalScorer(rule, workers).run(archive, log, lambda done, total: tell("pictures", done, total))
            seconds = time.monotonic() - begun
            tell("writing results", 0, 0)
            files = write_results(arguments.out, outcome, rule.bundle, datetime.now(UTC), formats)
            if sorting is not None:
                sorting.add(outcome)
            _print(outcome, seconds, files)
    except KeyboardInterrupt:
        print(
            f"uncia-train: interrupted; what was scored is kept in {arguments.out / LOG}, start the same command "
            "again to go on",
            file=sys.stderr,
        )
        return 130
    return 0


def _print(outcome: Outcome, seconds: float, files: list[Path]) -> None:
    pictures = positive = failed = sequences = 0
    last = ""
    for picture in outcome:
        pictures += 1
        positive += bool(picture.positive)
        sequences += picture.sequence != last
        last = picture.sequence
        if picture.failure is not None:
            failed += 1
            print(f"{picture.file}: {picture.failure}", file=sys.stderr)
    rate = f", {outcome.scored / seconds:.1f} pictures/s" if outcome.scored else ""
    print(
        f"{pictures} pictures in {sequences} sequences: {positive} in positive sequences, {failed} unreadable; "
        f"{outcome.scored} scored now in {seconds:.1f} s{rate}"
    )
    for file in files:
        print(f"  {file}")


def _sorting(arguments: argparse.Namespace, rule: ScoringRule) -> Sorting | None:
    if arguments.sort_into is None:
        return None
    return Sorting(arguments.archive, arguments.sort_into, arguments.sort_by, rule.name)


def _formats(text: str) -> list[str]:
    named = [one.strip() for one in text.split(",") if one.strip()]
    unknown = [one for one in named if one not in FORMATS]
    if unknown or not named:
        raise DataError(f"--write {text}: expected some of {','.join(FORMATS)}")
    return named


def _strips(text: str | None) -> Strips | None:
    if text is None:
        return None
    try:
        top, bottom = (float(part) for part in text.split(","))
    except ValueError as error:
        raise DataError(f"--strips {text}: expected two fractions, such as 0.03,0.06") from error
    if not (top >= 0 and bottom >= 0 and top + bottom < 1):
        raise DataError(f"--strips {text}: expected fractions of the height that leave something between them")
    return Strips(top, bottom)
