"""`uncia-train evaluate`: how a bundle does on labelled pictures, through the very code that the trap runs.

Decides what is counted: pictures as a whole (no regions, no bursts), and sequences as the trap decides them.
"""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import msgspec

from uncia_contract.errors import FrameError
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import LabelledPicture, sequences, shows
from uncia_contract.scoring.score_burst import score_burst
from uncia_training.datasets.pictures import PictureFailure, boxes_of, read_picture, require_readable
from uncia_training.fitting.metrics import as_dict, measure
from uncia_training.parallel import PerThread, parallel_map

Progress = Callable[[str, int, int], None]


class Evaluator:
    """Scores pictures and sequences with one bundle, a classifier a thread."""

    def __init__(self, bundle: Bundle, workers: int) -> None:
        self._bundle, self._workers = bundle, workers
        self._classifier = PerThread(lambda: Classifier(bundle))
        self._classifier()  # a bundle that does not run here is refused at once

    def evaluate(self, pictures: Sequence[LabelledPicture], progress: Progress) -> dict[str, Any]:
        """The documented report: images, sequences, per_image, failures.

        Raises:
            DataError: no picture can be read.
        """
        positive = set(self._bundle.manifest.positive_labels)
        bursts = sequences(pictures)
        scored = self._all(self._picture, pictures, partial(progress, "pictures"))
        failures = [score for score in scored if isinstance(score, PictureFailure)]
        require_readable(len(scored) - len(failures), failures)
        verdicts = self._all(self.score_sequence, bursts, partial(progress, "sequences"))
        images = [(picture, score) for picture, score in zip(pictures, scored, strict=True) if isinstance(score, float)]
        decided = [(burst, mean) for burst, mean in zip(bursts, verdicts, strict=True) if mean is not None]
        return {
            "images": as_dict(measure([one.label in positive for one, _ in images], [score for _, score in images])),
            "sequences": as_dict(
                measure(
                    [shows(burst, positive) for burst, _ in decided],
                    [mean for _, mean in decided],
                    self._bundle.manifest.decision_rule.threshold,
                )
            ),
            "per_image": [{"file": one.file, "label": one.label, "probability": score} for one, score in images],
            "failures": msgspec.to_builtins(failures),
        }

    def _all(
        self, function: Callable[[Any], Any], items: Sequence[Any], progress: Callable[[int, int], None]
    ) -> list[Any]:
        results = []
        for result in parallel_map(function, items, self._workers):
            results.append(result)
            progress(len(results), len(items))
        return results

    def _picture(self, picture: LabelledPicture) -> float | PictureFailure:
        try:
            image = model_input(read_picture(picture), self._bundle.manifest.input_size)
        except FrameError as error:
            return PictureFailure(picture.file, str(error))
        return self._classifier().score(image)

    def score_sequence(self, burst: Sequence[LabelledPicture]) -> float | None:
        """The confidence of a sequence's verdict, as the trap gives it; None where no frame can be read."""
        readers = [partial(read_picture, picture) for picture in burst]
        verdict = score_burst(readers, self._classifier(), every_frame=True, boxes=boxes_of(burst))
        return None if verdict is None else verdict.decision.confidence
