"""`uncia-trap bench`: what one frame costs on this machine, step by step, and what a day of it costs in watt-hours.

Decides the steps and the picture: a rendered 12-megapixel JPEG, the same everywhere, so that machines compare.
"""

import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from PIL import Image

from uncia_contract.bursts.decisions import decide
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier, on_one_core
from uncia_contract.model.heads import LogisticHead
from uncia_contract.pictures.jpeg import open_jpeg
from uncia_contract.pictures.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.scoring.score_burst import score_burst

WIDTH, HEIGHT, QUALITY = 4000, 3000, 88
BURST = 10
_SMOOTH = Image.Resampling.BICUBIC


@dataclass(frozen=True)
class Step:
    """Seconds that one step took, each time."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """Milliseconds."""
        return 1000 * median(self.seconds)

    @property
    def p95_ms(self) -> float:
        """Milliseconds that 95 % stay under."""
        return 1000 * float(np.quantile(self.seconds, 0.95))


def bench_picture(seed: int = 0, noise: float = 6.0) -> bytes:
    """A rendered 4000 x 3000 JPEG, quality 88: soft shapes and sensor noise of so many grey levels (6: about 3 MB)."""
    chance = np.random.default_rng(seed)
    soft = Image.fromarray(chance.integers(20, 230, (30, 40, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), _SMOOTH)
    grain = chance.normal(0, noise, (HEIGHT, WIDTH, 1)).astype(np.int8)
    noisy = np.clip(np.asarray(soft, np.int16) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noisy).save(out, "jpeg", quality=QUALITY)
    return out.getvalue()


def measure(bundle: Bundle, picture: bytes, threads: int, repeats: int) -> list[Step]:
    """The steps of one frame, then a whole burst a frame."""
    classifier = Classifier(bundle, threads)
    size = bundle.manifest.input_size
    enough = enough_for(size, WHOLE)
    decoded = open_jpeg(picture, enough)
    image = model_input(decoded, size)
    features = classifier.features(image)[np.newaxis]
    head: LogisticHead = bundle.head
    scores, rule = [0.5] * BURST, bundle.manifest.decision_rule
    readers = [lambda: picture] * BURST
    steps: list[tuple[str, Callable[[], object]]] = [
        ("decode", lambda: open_jpeg(picture, enough)),
        ("resize", lambda: model_input(decoded, size)),
        ("invoke", lambda: classifier.features(image)),
        ("head", lambda: head.probabilities(features)),
        ("verdict", lambda: decide(scores, rule)),
    ]
    measured = [Step(name, _timed(step, repeats)) for name, step in steps]
    beside = on_one_core(bundle, classifier)
    whole = _timed(lambda: score_burst(readers, classifier, every_frame=True, beside=beside), max(1, repeats // BURST))
    return [*measured, Step("frame", tuple(seconds / BURST for seconds in whole))]


def watt_hours_a_day(frame_s: float, frames_a_day: int, busy_w: float, idle_w: float) -> float:
    """Energy of a day: scoring at `busy_w`, the rest at `idle_w`; both are stated by the user, nothing is measured."""
    busy_s = min(frame_s * frames_a_day, 86400.0)
    return (busy_s * busy_w + (86400.0 - busy_s) * idle_w) / 3600


def _timed(step: Callable[[], object], repeats: int) -> tuple[float, ...]:
    step()
    taken = []
    for _ in range(repeats):
        started = time.perf_counter()
        step()
        taken.append(time.perf_counter() - started)
    return tuple(taken)
