"""`uncia-train evaluate`: measures a bundle on labelled pictures, with the code that the trap runs.

Decides what is counted: whole pictures (without regions and bursts), and sequences as the trap decides them.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import msgspec

from uncia_contract.bursts.frame_scores import LabelledScore
from uncia_contract.errors import FrameError
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import LabelledPicture, sequences, shows
from uncia_contract.scoring.score_burst import score_burst
from uncia_training.archive.evaluate_figures import NONE, Said, by_label, by_light, label_of, said_figures, thresholds
from uncia_training.datasets.pictures import PictureFailure, boxes_of, read_picture, require_readable
from uncia_training.datasets.trap_days import trap_days
from uncia_training.parallel import PerThread, parallel_map

Progress = Callable[[str, int, int], None]
IMAGE_THRESHOLD = 0.5


@dataclass(frozen=True)
class SequenceScore:
    """The confidence and label of a sequence's verdict, as on the trap, and the frames that could not be used.

    `confidence` is None if no frame could be used.
    """

    confidence: float | None
    label: str
    failures: tuple[PictureFailure, ...] = ()


class Evaluator:
    """Scores pictures and sequences with one bundle, one classifier per thread."""

    def __init__(self, bundle: Bundle, workers: int) -> None:
        self._bundle, self._workers = bundle, workers
        self._classifier = PerThread(lambda: Classifier(bundle))
        self._classifier()  # so a bundle that does not run here is refused before any work

    def evaluate(self, pictures: Sequence[LabelledPicture], progress: Progress) -> dict[str, Any]:
        """The documented report: figures of images and sequences, by light and label, and the answer for each one.

        Raises:
            DataError: no picture can be read.
        """
        rules = self._bundle.manifest
        positive, threshold = rules.positive_labels, rules.decision_rule.threshold
        scored = self._all(self._picture, pictures, partial(progress, "pictures"))
        failures = [score for score in scored if isinstance(score, PictureFailure)]
        require_readable(len(scored) - len(failures), failures)
        images = [one for one in scored if isinstance(one, Said)]
        decided = self._decided(pictures, images, partial(progress, "sequences"))
        days = trap_days(pictures)
        return {
            "images": said_figures(images, positive, IMAGE_THRESHOLD),
            "sequences": said_figures(decided, positive, threshold),
            "light": by_light(decided, positive, threshold),
            "labels": by_label(decided, positive, threshold),
            "thresholds": thresholds(decided, positive, threshold, days),
            "trap_days": days,
            "per_image": [
                {
                    "file": one.burst[0].file,
                    "label": one.burst[0].label,
                    "probability": one.probability,
                    "called": one.label if one.probability >= IMAGE_THRESHOLD else NONE,
                }
                for one in images
            ],
            "per_sequence": [
                {
                    "files": [picture.file for picture in one.burst],
                    "label": label_of(one.burst, positive),
                    "positive": shows(one.burst, positive),
                    "confidence": one.probability,
                    "called_positive": one.probability >= threshold,
                    "called": one.label if one.probability >= threshold else NONE,
                    "light": one.light,
                }
                for one in decided
            ],
            "failures": msgspec.to_builtins(failures),
        }

    def _decided(
        self, pictures: Sequence[LabelledPicture], images: Sequence[Said], progress: Callable[[int, int], None]
    ) -> list[Said]:
        """The verdict on each sequence with a readable frame, and the light of most of its frames."""
        lights = {one.burst[0].file: one.light for one in images}
        bursts = sequences(pictures)
        verdicts = self.score_sequences(bursts, progress)
        return [
            Said(burst, found.confidence, _most([lights[one.file] for one in burst if one.file in lights]), found.label)
            for burst, found in zip(bursts, verdicts, strict=True)
            if found.confidence is not None
        ]

    def score_sequences(
        self, bursts: Sequence[Sequence[LabelledPicture]], progress: Callable[[int, int], None]
    ) -> list[SequenceScore]:
        """The result of `score_sequence` for each sequence, in order."""
        return self._all(self.score_sequence, bursts, progress)

    def _all(
        self, function: Callable[[Any], Any], items: Sequence[Any], progress: Callable[[int, int], None]
    ) -> list[Any]:
        results = []
        for result in parallel_map(function, items, self._workers):
            results.append(result)
            progress(len(results), len(items))
        return results

    def _picture(self, picture: LabelledPicture) -> Said | PictureFailure:
        try:
            image = model_input(read_picture(picture), self._bundle.manifest.input_size)
        except FrameError as error:
            return PictureFailure(picture.file, str(error))
        score = self._classifier().score(image)
        label = self._bundle.manifest.positive_labels[0]
        if isinstance(score, LabelledScore):
            label = max(score.labels, key=score.labels.__getitem__)
        return Said((picture,), float(score), light_of(image), label)

    def score_sequence(self, burst: Sequence[LabelledPicture]) -> SequenceScore:
        """The trap's verdict on a sequence, with every frame scored."""
        readers = [partial(read_picture, picture) for picture in burst]
        verdict = score_burst(readers, self._classifier(), every_frame=True, boxes=boxes_of(burst))
        if verdict is None:
            unread = (self._picture(picture) for picture in burst)
            return SequenceScore(None, "", tuple(one for one in unread if isinstance(one, PictureFailure)))
        failures = (PictureFailure(burst[index].file, reason) for index, reason in verdict.failures.items())
        return SequenceScore(verdict.decision.confidence, verdict.label, tuple(failures))


def _most(lights: Sequence[Light]) -> Light:
    """The light of most frames; if two are equally frequent, the first by name, as in `score_burst`."""
    return max(sorted(set(lights)), key=lights.count, default="day")
