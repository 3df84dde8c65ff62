"""`uncia-trap score`: a whole card or folder through the trap's own code, on all cores, resumable.

Decides what belongs to a card: every picture below the named files and folders, in bursts by EXIF time, each named
folder a trap of its own. Each finished sequence is a line in `<out>.partial`, so that a run that was interrupted goes
on where it was; pictures or a bundle that have changed since are scored anew.
"""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, tzinfo
from pathlib import Path

import msgspec

from uncia_contract.bundle import Bundle
from uncia_contract.classifier import Classifier
from uncia_contract.errors import DataError, FrameError
from uncia_contract.frames import Frame, bursts
from uncia_contract.scored_picture import ScoredPicture
from uncia_contract.scoring import FrameLook, SequenceVerdict, score_burst
from uncia_edge.cameras import arrive, is_picture

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class CardSequence:
    """Frames that form a sequence on a card, with the names that results give them."""

    key: str
    frames: tuple[Frame, ...]
    names: tuple[str, ...]


class Card:
    """The pictures below some files and folders."""

    def __init__(self, places: Sequence[Path], zone: tzinfo = UTC) -> None:
        """Looks for pictures; opens none.

        Raises:
            DataError: a place is not there, or there are no pictures.
        """
        missing = [str(place) for place in places if not place.exists()]
        if missing:
            raise DataError(f"{', '.join(missing)}: not there; expected JPEGs or folders with JPEGs")
        self._zone = zone
        self._found = [(place, _pictures(place)) for place in places]
        if not any(files for _, files in self._found):
            raise DataError(f"{', '.join(map(str, places))}: no pictures; expected JPEGs or folders with JPEGs")

    def sequences(self, bundle: Bundle) -> tuple[list[CardSequence], list[ScoredPicture]]:
        """The card's sequences in order, and the files that cannot be used."""
        found: list[CardSequence] = []
        failures: list[ScoredPicture] = []
        for place, files in self._found:
            with ThreadPoolExecutor(_cores()) as pool:
                arrived = list(pool.map(self._arrive, files))
            names = {path: _name(place, path) for path in files}
            failures += [
                ScoredPicture(names[path], failure=one)
                for path, one in zip(files, arrived, strict=True)
                if isinstance(one, str)
            ]
            frames = [one for one in arrived if isinstance(one, Frame)]
            for burst in bursts(frames, bundle.manifest.burst_rule):
                known = [names[frame.path] for frame in burst.frames]
                found.append(
                    CardSequence(
                        f"{bundle.sha256[:12]}:{_fingerprint(burst.frames, known)}", burst.frames, tuple(known)
                    )
                )
        return found, failures

    def _arrive(self, path: Path) -> Frame | str:
        try:
            return arrive(path, self._zone)
        except FrameError as error:
            return str(error)


class CardScorer:
    """Scores sequences, a classifier a thread."""

    def __init__(self, bundle: Bundle, workers: int | None = None) -> None:
        self._bundle, self._workers, self._local = bundle, workers or _cores(), threading.local()
        self._classifier().check_probes()

    def score(
        self, sequences: Sequence[CardSequence], partial: Path, progress: Progress
    ) -> Iterator[tuple[CardSequence, tuple[ScoredPicture, ...]]]:
        """Each sequence with its scored pictures, in order; what `partial` already holds is taken from there."""
        done = read_partial(partial)
        with ThreadPoolExecutor(self._workers) as pool, partial.open("ab") as stream:
            waiting = pool.map(lambda one: done.get(one.key) or self._one(one), sequences)
            for number, (sequence, pictures) in enumerate(zip(sequences, waiting, strict=True), start=1):
                if sequence.key not in done:
                    stream.write(msgspec.json.encode([sequence.key, pictures]) + b"\n")
                    stream.flush()
                progress(number, len(sequences))
                yield sequence, pictures

    def _classifier(self) -> Classifier:
        if not hasattr(self._local, "classifier"):
            self._local.classifier = Classifier(self._bundle)
        classifier: Classifier = self._local.classifier
        return classifier

    def _one(self, sequence: CardSequence) -> tuple[ScoredPicture, ...]:
        verdict = score_burst([frame.path.read_bytes for frame in sequence.frames], self._classifier(), workers=1)
        label = self._bundle.manifest.positive_labels[0]
        return tuple(
            _scored(name, sequence, index, label, verdict, self._bundle.manifest.decision_rule.threshold)
            for index, name in enumerate(sequence.names)
        )


def read_partial(path: Path) -> dict[str, tuple[ScoredPicture, ...]]:
    """What an interrupted run has finished, by key; a line that was cut short is left out."""
    done: dict[str, tuple[ScoredPicture, ...]] = {}
    for line in path.read_bytes().splitlines() if path.exists() else []:
        try:
            key, pictures = msgspec.json.decode(line, type=tuple[str, tuple[ScoredPicture, ...]])
        except msgspec.DecodeError:
            continue
        done[key] = pictures
    return done


def _scored(
    name: str, sequence: CardSequence, index: int, label: str, verdict: SequenceVerdict | None, threshold: float
) -> ScoredPicture:
    taken_at, first = sequence.frames[index].taken_at, sequence.names[0]
    if verdict is None or index in verdict.failures:
        failure = "cannot be decoded" if verdict is None else verdict.failures[index]
        return ScoredPicture(name, sequence=first, taken_at=taken_at, failure=failure)
    look: FrameLook = verdict.looks[index]
    region = look.region
    return ScoredPicture(
        name,
        label=label,
        score=look.score,
        region=(region.left, region.top, region.width, region.height) if region else None,
        sequence=first,
        taken_at=taken_at,
        confidence=verdict.decision.confidence,
        threshold=threshold,
        positive=verdict.decision.positive,
    )


def _pictures(place: Path) -> list[Path]:
    if place.is_file():
        return [place]
    return sorted(path for path in place.rglob("*") if is_picture(path) and path.is_file())


def _name(place: Path, path: Path) -> str:
    return path.name if place == path else path.relative_to(place).as_posix()


def _fingerprint(frames: Sequence[Frame], names: Sequence[str]) -> str:
    sizes = [(name, frame.path.stat().st_size) for name, frame in zip(names, frames, strict=True)]
    return str(msgspec.json.encode(sizes), "utf-8")


def _cores() -> int:
    return len(os.sched_getaffinity(0))
