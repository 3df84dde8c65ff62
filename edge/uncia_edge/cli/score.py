"""`uncia-trap score`: scores cards, folders and files; its arguments, output and files."""

import argparse
import json
import sys
from datetime import UTC, datetime
from pathlib import Path

from uncia_contract.archive.megadetector import megadetector_results
from uncia_contract.archive.score_table import write_score_table
from uncia_contract.archive.scored_picture import ScoredPicture, sum_of
from uncia_contract.cli.arguments import ZONE_HELP, whole, zone
from uncia_contract.errors import DataError, StorageError
from uncia_contract.files import write_durable
from uncia_contract.model.activation import Explainer, overlay
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.pictures.jpeg import is_unreadable, open_jpeg
from uncia_contract.pictures.picture_sum import PictureSum
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_edge.cli.card import Card, CardScorer, CardSequence
from uncia_edge.scoring.memory import CARD_SPARE_BYTES, return_large_blocks

_WIPED = "\r\x1b[K"  # clears the current line of a terminal


def add_score(score: argparse.ArgumentParser) -> None:
    """Add the arguments of `score`."""
    score.add_argument(
        "places", type=Path, nargs="+", metavar="FILES_OR_CARD", help="pictures, or folders with pictures"
    )
    score.add_argument("--bundle", type=Path, required=True, metavar="UNCIA", help="the bundle that decides")
    score.add_argument("--json", type=Path, required=True, metavar="FILE", help="MegaDetector JSON 1.6 to write")
    score.add_argument("--csv", type=Path, metavar="FILE", help="a table to write, one line for each picture")
    score.add_argument(
        "--explain", type=Path, metavar="DIR", help="write overlays that show which parts of a picture raised its score"
    )
    score.add_argument("--utc-offset", type=zone, metavar="ZONE", help=ZONE_HELP)
    score.add_argument("--workers", type=whole(1), metavar="N", help="threads (as many as there are cores)")
    score.set_defaults(run=run_score)


def run_score(arguments: argparse.Namespace) -> int:
    """Score all sequences, write the files and print a line for each; return 1 if a file or folder was unreadable."""
    return_large_blocks(CARD_SPARE_BYTES)
    _refuse_folders(arguments.json, arguments.csv)
    bundle = read_bundle(arguments.bundle)
    card = Card(arguments.places, arguments.utc_offset)
    sequences = _sequences(card, bundle)
    pictures: list[ScoredPicture] = []
    explainer = Explainer(bundle) if arguments.explain else None
    partial = arguments.json.with_name(arguments.json.name + ".partial")
    try:
        partial.parent.mkdir(parents=True, exist_ok=True)
        for sequence, scored in CardScorer(bundle, arguments.workers).score(sequences, partial, _progress):
            pictures += scored
            _print(scored)
            if explainer is not None:
                _explain(explainer, bundle, sequence, scored, arguments.explain)
        summed = sum_of(pictures, card.left_out)
        _write(arguments, bundle, sorted(pictures, key=lambda picture: picture.file), summed)
        partial.unlink()
    except KeyboardInterrupt:
        _on_terminal(_WIPED)
        print(f"uncia-trap: finished sequences are in {partial}; the same command goes on from there", file=sys.stderr)
        raise
    except OSError as error:
        raise StorageError(f"{error.filename or arguments.json}: cannot be written ({error.strerror})") from error
    for line in card.unreadable:
        print(line, file=sys.stderr)
    print(*summed.lines(), sep="\n")
    return 1 if card.unreadable or any(is_unreadable(one.failure) for one in pictures) else 0


def _sequences(card: Card, bundle: Bundle) -> list[CardSequence]:
    _on_terminal("\rreading the times of the pictures ...")
    try:
        return card.sequences(bundle)
    finally:
        _on_terminal(_WIPED)


def _refuse_folders(*files: Path | None) -> None:
    """Refuse a folder as an output file before the card is scored."""
    for file in files:
        if file is not None and file.is_dir():
            raise DataError(f"{file}: is a folder; expected the name of a file to write")


def _write(arguments: argparse.Namespace, bundle: Bundle, pictures: list[ScoredPicture], summed: PictureSum) -> None:
    name = f"{bundle.manifest.name}-{bundle.manifest.version}"
    threshold = bundle.manifest.decision_rule.threshold
    results = megadetector_results(pictures, name, datetime.now(UTC), threshold, summed)
    write_durable(arguments.json, json.dumps(results, indent=1).encode())
    if arguments.csv:
        with arguments.csv.open("w", newline="", encoding="utf-8") as stream:
            write_score_table(stream, pictures)
    if unzoned := sum(one.taken_at is not None and one.taken_at.tzinfo is None for one in pictures):
        told = f"{unzoned} times have no zone and are as the cameras' clocks showed them; --utc-offset sets one"
        print(told, file=sys.stderr)


def _explain(
    explainer: Explainer, bundle: Bundle, sequence: CardSequence, scored: tuple[ScoredPicture, ...], folder: Path
) -> None:
    for path, picture in zip(sequence.paths(), scored, strict=True):
        if picture.score is None or not picture.positive:
            continue
        region = Region(*picture.region) if picture.region else None
        image = open_jpeg(path.read_bytes())
        shown = overlay(image, explainer.activation(model_input(image, bundle.manifest.input_size, region)), region)
        target = (folder / picture.file).with_suffix(".explained.jpg")
        target.parent.mkdir(parents=True, exist_ok=True)
        shown.save(target, quality=85)


def _print(scored: tuple[ScoredPicture, ...]) -> None:
    _on_terminal(_WIPED)
    for failed in (picture for picture in scored if picture.failure):
        print(f"{failed.file}: {failed.failure}", file=sys.stderr)
    for damaged in (picture for picture in scored if picture.damaged):
        print(f"{damaged.file}: damaged, but scored ({damaged.damaged})", file=sys.stderr)
    decided = next((picture for picture in scored if picture.confidence is not None), None)
    if decided is not None:
        print(_line(scored, decided), flush=True)


def _line(scored: tuple[ScoredPicture, ...], decided: ScoredPicture) -> str:
    verdict = "POSITIVE" if decided.positive else "negative"
    spared = any(picture.score is None and picture.failure is None for picture in scored)
    damaged = sum(picture.damaged is not None for picture in scored)
    told = f"  {decided.label}" if decided.positive and decided.probabilities else ""
    told += f"  {damaged} damaged" if damaged else ""
    score = f"{'<=' if spared else '  '}{decided.confidence:.3f}"
    return f"{scored[0].file}  {len(scored):3d} frames  {score}  {verdict}{told}"


def _progress(done: int, total: int) -> None:
    _on_terminal(f"{_WIPED}{done} of {total} sequences" + "\n" * (done == total))


def _on_terminal(text: str) -> None:
    """Print progress on a terminal only; the next result replaces it."""
    if sys.stderr.isatty():
        print(text, end="", file=sys.stderr, flush=True)
