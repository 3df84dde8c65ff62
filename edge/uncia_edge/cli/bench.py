"""`uncia-trap bench`: measures the time of each step for one frame on this machine, and estimates watt-hours a day.

Decides the steps and the picture: a rendered 12-megapixel JPEG, the same on every machine, so that results compare.
"""

import argparse
import io
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from uncia_contract.bursts.decisions import decide
from uncia_contract.cli.arguments import amount, whole
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier, load_single_thread_classifier
from uncia_contract.model.heads import LogisticHead
from uncia_contract.pictures.jpeg import open_jpeg
from uncia_contract.pictures.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.scoring.score_burst import score_burst
from uncia_edge.scoring.memory import forget_peak, peak_mb, return_large_blocks

WIDTH, HEIGHT, QUALITY = 4000, 3000, 88
BURST = 10
_SMOOTH = Image.Resampling.BICUBIC


def add_bench(bench: argparse.ArgumentParser) -> None:
    """Add the arguments of `bench`."""
    bench.add_argument("bundle", type=Path, metavar="BUNDLE", help="the bundle to run")
    bench.add_argument("--threads", type=whole(0), default=0, metavar="N", help="threads of the model (as on the trap)")
    bench.add_argument("--repeats", type=whole(1), default=30, metavar="N", help="how often to run each step (30)")
    bench.add_argument(
        "--busy-w", type=amount, default=4.0, metavar="W", help="power while scoring, as measured by you (4.0)"
    )
    bench.add_argument("--idle-w", type=amount, default=2.0, metavar="W", help="power while waiting (2.0)")
    bench.add_argument(
        "--frames-a-day", type=whole(0), default=2000, metavar="N", help="frames that the trap gets in a day (2000)"
    )
    bench.set_defaults(run=run_bench)


def run_bench(arguments: argparse.Namespace) -> int:
    """Print the table; return 0."""
    return_large_blocks()  # as the trap does
    bundle, picture = read_bundle(arguments.bundle), bench_picture()
    forget_peak()  # rendering the picture took more memory
    print(
        f"{bundle.manifest.name} {bundle.manifest.version}, {Classifier(bundle, arguments.threads).info}; "
        f"4000 x 3000 JPEG, {len(picture) / 1e6:.1f} MB, quality {QUALITY}"
    )
    steps = measure(bundle, picture, arguments.threads, arguments.repeats)
    print("step      median ms    p95 ms")
    for step in steps:
        print(f"{step.name:8s} {step.median_ms:10.3f} {step.p95_ms:9.3f}")
    frame_s = steps[-1].median_ms / 1000
    energy = watt_hours_a_day(frame_s, arguments.frames_a_day, arguments.busy_w, arguments.idle_w)
    print(f"{1 / frame_s:.1f} frames a second in a burst of ten, regions included; {peak_mb():.0f} MB resident at most")
    print(
        f"{energy:.1f} Wh a day for {arguments.frames_a_day} frames, at {arguments.busy_w:g} W busy and "
        f"{arguments.idle_w:g} W idle (as you stated, not measured)"
    )
    return 0


@dataclass(frozen=True)
class Step:
    """The seconds that one step took, for each repetition."""

    name: str
    seconds: tuple[float, ...]

    @property
    def median_ms(self) -> float:
        """The median in milliseconds."""
        return 1000 * median(self.seconds)

    @property
    def p95_ms(self) -> float:
        """The 95th percentile in milliseconds."""
        return 1000 * float(np.quantile(self.seconds, 0.95))


def bench_picture(noise: float = 6.0) -> bytes:
    """A rendered 4000 x 3000 JPEG, quality 88: soft shapes, and noise with a deviation of `noise` grey levels.

    With 6 levels it has about 3 MB.
    """
    chance = np.random.default_rng(0)
    soft = Image.fromarray(chance.integers(20, 230, (30, 40, 3), dtype=np.uint8)).resize((WIDTH, HEIGHT), _SMOOTH)
    grain = chance.normal(0, noise, (HEIGHT, WIDTH, 1)).astype(np.int8)
    noisy = np.clip(np.asarray(soft, np.int16) + grain, 0, 255).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(noisy).save(out, "jpeg", quality=QUALITY)
    return out.getvalue()


def measure(bundle: Bundle, picture: bytes, threads: int, repeats: int) -> list[Step]:
    """Measure each step of one frame, and the time of a frame in a whole burst."""
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
    single = load_single_thread_classifier(bundle, classifier)
    score = partial(score_burst, readers, classifier, every_frame=True, single_thread_classifier=single)
    whole = _timed(score, max(1, repeats // BURST))
    return [*measured, Step("frame", tuple(seconds / BURST for seconds in whole))]


def watt_hours_a_day(frame_s: float, frames_a_day: int, busy_w: float, idle_w: float) -> float:
    """Watt-hours of a day: scoring at `busy_w` watts and the rest at `idle_w`; the user states both."""
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
