"""`uncia-train score`: its arguments, its output, and the files that it writes."""

import argparse
import os
import sys
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from uncia_contract.archive.archive_scores import score_log
from uncia_contract.archive.scored_picture import ScoredPicture, sum_of
from uncia_contract.archive.visits import Archive
from uncia_contract.cli.arguments import ZONE_HELP, whole, zone
from uncia_contract.errors import DataError
from uncia_contract.model.bundle import read_bundle
from uncia_contract.pictures.jpeg import is_unreadable
from uncia_contract.scoring.score_burst import Strips
from uncia_training.archive.archive_run import LocalScorer, ScoringRule
from uncia_training.archive.camtrap_package import CamtrapPackage, deployments_of, refuse_unzoned
from uncia_training.archive.score_results import FORMATS, PARQUET, write_results
from uncia_training.archive.sorting import Sorting
from uncia_training.archive.suggestions import Suggestions
from uncia_training.cli.progress import ReportProgress, interrupted, progress_bars
from uncia_training.cli.suggest import add_suggest, suggestions_of
from uncia_training.datasets.storage import archive_at, is_address
from uncia_training.spark.session import add_spark

LOG, STAGED, STAGED_UNZONED = "scored.jsonl", "scored", "scored-without-zone"


def add_score(command: argparse.ArgumentParser) -> None:
    """Add the arguments to the command."""
    add = command.add_argument
    add(
        "archive",
        metavar="ARCHIVE",
        help="folder with pictures (for Spark also an address), or a data set: CSV, COCO "
        "Camera Traps or Camtrap DP; it is never changed",
    )
    add("--bundle", type=Path, required=True, metavar="FILE", help="the bundle that scores")
    add("--out", required=True, metavar="DIR", help="folder for scores.csv, scores.json, scores.parquet")
    add("--engine", choices=("local", "spark"), default="local", help="threads of this process, or Spark (local)")
    add("--write", default=",".join(FORMATS), metavar="LIST", help="formats to write, some of csv,json,parquet (all)")
    add("--sort-into", type=Path, metavar="DIR", help="sort the pictures into a folder for each verdict, below DIR")
    add("--sort-by", choices=("link", "copy"), default="link", help="symbolic links or copies (link)")
    add("--camtrap-dp", type=Path, metavar="DIR", help="also write a Camtrap DP package; needs --deployments")
    add("--deployments", type=Path, metavar="CSV", help="Camtrap DP's deployments.csv: the place of each folder's trap")
    add("--strips", metavar="TOP,BOTTOM", help="burnt-in strips, in fractions of the height, such as 0.03,0.06")
    add("--utc-offset", type=zone, metavar="ZONE", help=ZONE_HELP)
    add("--workers", type=whole(1), metavar="N", help="number of threads (one per core)")
    add_suggest(command)
    add_spark(command)
    command.set_defaults(run=run_score)


def run_score(arguments: argparse.Namespace) -> int:
    """Score the archive, write the results, print the counts, and return the exit code."""
    formats = _formats(arguments.write)
    _check_out(arguments, formats)
    rule = ScoringRule(read_bundle(arguments.bundle), _strips(arguments.strips))
    archive = _archive(arguments, rule)
    package = _package(arguments, archive, rule)
    sorting = _sorting(arguments, rule)
    engine = _local if arguments.engine == "local" else _spark
    try:
        with progress_bars() as progress:
            suggestions = suggestions_of(arguments, rule.bundle, progress, archive.notes.unreadable)
            return engine(arguments, Run(archive, rule, formats, sorting, package, suggestions, progress))
    except KeyboardInterrupt:
        return interrupted(f"what was scored is kept in {arguments.out}")


@dataclass(frozen=True)
class Run:
    """The work of one command, the same for both engines."""

    archive: Archive
    rule: ScoringRule
    formats: list[str]
    sorting: Sorting | None
    package: CamtrapPackage | None
    suggestions: Suggestions | None
    progress: ReportProgress

    def finish(self, out: Path, outcome: Iterable[ScoredPicture], scored: int, begun: float) -> int:
        """Write the results, sort the pictures, print the counts, and return the exit code."""
        seconds = time.monotonic() - begun
        counts = Counts()
        summed = sum_of(counts.watched(outcome), self.archive.notes.left_out)
        self.progress("writing results", 0, 0)
        zoned = self.archive.zone is not None
        files = write_results(out, outcome, self.rule.bundle, datetime.now(UTC), self.formats, zoned, summed)
        if self.package is not None:
            files.append(self.package.write(outcome, self.rule.bundle, datetime.now(UTC)))
        if self.sorting is not None:
            self.sorting.add(outcome)
        told = [self.suggestions.write(out, outcome)] if self.suggestions is not None else []
        for line in self.archive.notes.unreadable:
            print(line, file=sys.stderr)
        counts.print(scored, seconds)
        for file in files:
            print(f"  {file}")
        for why, count in sorted(self.package.left_out.items()) if self.package else ():
            print(f"{count} pictures {why}: not in the Camtrap DP package")
        print(*told, *summed.lines(), sep="\n")
        return 1 if self.archive.notes.unreadable or counts.unreadable else 0


@dataclass
class Counts:
    """Further counts of the scored pictures."""

    pictures: int = 0
    positive: int = 0
    failed: int = 0
    unreadable: int = 0
    sequences: int = 0
    unzoned: int = 0
    damaged: int = 0

    def watched(self, outcome: Iterable[ScoredPicture]) -> Iterator[ScoredPicture]:
        """The same pictures; they are counted, and failed or damaged ones are printed."""
        last = ""
        for picture in outcome:
            self.pictures += 1
            self.positive += bool(picture.positive)
            self.unzoned += picture.taken_at is not None and picture.taken_at.tzinfo is None
            self.sequences += picture.sequence != last
            last = picture.sequence
            if picture.failure is not None:
                self.failed += 1
                self.unreadable += is_unreadable(picture.failure)
                print(f"{picture.file}: {picture.failure}", file=sys.stderr)
            if picture.damaged is not None:
                self.damaged += 1
                print(f"{picture.file}: damaged, but scored ({picture.damaged})", file=sys.stderr)
            yield picture

    def print(self, scored: int, seconds: float) -> None:
        """Print the counts, and a line each for damaged pictures and for times without a zone."""
        rate = f", {scored / seconds:.1f} pictures/s" if scored else ""
        print(
            f"{self.pictures} pictures in {self.sequences} sequences: {self.positive} in positive sequences, "
            f"{self.failed} unreadable; {scored} scored now in {seconds:.1f} s{rate}"
        )
        if self.damaged:
            print(f"{self.damaged} pictures are damaged, but were scored; see the column damaged")
        if self.unzoned:
            print(f"{self.unzoned} times have no zone (the cameras' clocks); set it with --utc-offset")


def _local(arguments: argparse.Namespace, run: Run) -> int:
    begun = time.monotonic()
    workers = arguments.workers or len(os.sched_getaffinity(0))
    out = Path(arguments.out)
    with score_log(out / LOG) as log:
        outcome = LocalScorer(run.rule, workers).run(run.archive, log, partial(run.progress, "pictures"))
        return run.finish(out, outcome, outcome.scored, begun)


def _spark(arguments: argparse.Namespace, run: Run) -> int:
    from uncia_training.spark.score import SparkScorer, SparkScores
    from uncia_training.spark.session import spark

    begun = time.monotonic()
    out = arguments.out.rstrip("/")
    parquet = f"{out}/{PARQUET}"
    with spark(arguments.master) as session:
        bundle, rule, logged_by = run.rule.bundle, run.rule, run.rule.logged_by(run.archive)
        scorer = SparkScorer(session, arguments.bundle.read_bytes(), bundle.manifest.burst_rule, logged_by, rule.strips)
        told = lambda done: run.progress("pictures", done, run.archive.pictures)  # noqa: E731
        staged = STAGED_UNZONED if run.archive.zone is None else STAGED
        scored = scorer.run(run.archive, f"{out}/{staged}", parquet, told, arguments.round)
    others = replace(run, formats=[one for one in run.formats if one != "parquet"])
    return others.finish(Path(out), SparkScores(parquet), scored, begun)


def _check_out(arguments: argparse.Namespace, formats: list[str]) -> None:
    if is_address(arguments.out) and (arguments.engine == "local" or formats != ["parquet"]):
        raise DataError(
            f"--out {arguments.out}: only --engine spark --write parquet writes to an address; give a folder"
        )


def _archive(arguments: argparse.Namespace, rule: ScoringRule) -> Archive:
    from uncia_training.datasets.data_set_archive import data_set_archive, is_data_set

    if not is_data_set(arguments.archive):
        return archive_at(arguments.archive, arguments.utc_offset)
    asked = {
        "--engine spark": arguments.engine == "spark",
        "--sort-into": arguments.sort_into,
        "--camtrap-dp": arguments.camtrap_dp,
        "--suggest": arguments.suggest,
    }
    if wrong := [name for name, value in asked.items() if value]:
        raise DataError(f"{arguments.archive}: a data set; {', '.join(wrong)} takes a folder of pictures only")
    return data_set_archive(Path(arguments.archive), rule.bundle.manifest, arguments.utc_offset)


def _package(arguments: argparse.Namespace, archive: Archive, rule: ScoringRule) -> CamtrapPackage | None:
    folder, deployments = arguments.camtrap_dp, arguments.deployments
    if folder is None and deployments is None:
        return None
    if folder is None or deployments is None:
        raise DataError("--camtrap-dp DIR and --deployments CSV: give both; the standard requires places and times")
    if arguments.engine == "spark" and archive.zone is None:
        raise DataError("--camtrap-dp with --engine spark: give --utc-offset, because Parquet stores no offsets")
    known = deployments_of(archive, deployments)
    refuse_unzoned(archive, rule.bundle.manifest.burst_rule, arguments.workers or len(os.sched_getaffinity(0)))
    return CamtrapPackage(folder, archive, arguments.archive, known)


def _sorting(arguments: argparse.Namespace, rule: ScoringRule) -> Sorting | None:
    if arguments.sort_into is None:
        return None
    if is_address(arguments.archive):
        raise DataError(f"--sort-into: {arguments.archive} is an address; only a folder can be sorted")
    return Sorting(Path(arguments.archive), arguments.sort_into, arguments.sort_by, rule.name)


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
