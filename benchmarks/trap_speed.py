"""Speed of the trap's code compared with a simple script for one picture, and with bare work for bursts and cards.

    python benchmarks/trap_speed.py BUNDLE [--tflite .venv-tflite/bin/python] [--pairs 15]

Ratios are measured in one run, ours and the other alternately: medians of processor seconds (all threads) and of wall
time. Pictures are rendered (`uncia_edge.cli.bench.bench_picture`, 4000 x 3000, quality 88) with three amounts of sensor
noise. For comparison, the two cameras whose originals are in ../shared/data write 0.8 and 1.0 bits a pixel: 1.2 and 1.6
MB for 12 megapixels.

Bare work is the least work that is possible with this decoder and this interpreter: the JPEG decoder's calls, each at
the needed scale, and the model's invocations; no resizing, no head, no search for regions.

Each promised figure is printed with its limit, and the exit code is 1 if one is missed. For one picture it is the ratio
of processor seconds (they vary less; wall times are printed too). For bursts and cards it is our wall time compared
with bare work's core-seconds divided by the number of cores.
"""

import argparse
import io
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from uncia_contract.archive.archive_scores import Pictures
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier, load_single_thread_classifier
from uncia_contract.model.manifest import MODEL, Manifest
from uncia_contract.pictures.jpeg import dct_scale, open_jpeg, open_region, oriented_size
from uncia_contract.pictures.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.pictures.region import Region
from uncia_contract.scoring.burst_decoder import enough_for_thumbnail
from uncia_contract.scoring.score_burst import score_burst
from uncia_edge.cli.bench import bench_picture
from uncia_edge.cli.card import Card, CardScorer, CardSequence
from uncia_edge.scoring.memory import CARD_SPARE_BYTES, return_large_blocks

NOISE = (2.5, 4.0, 6.0)  # grey levels of sensor noise
BURSTS = (("nothing moves", 0), ("a large animal", 1500), ("a small animal", 700))  # pixels
CORES = len(os.sched_getaffinity(0))
EIGHTH = (500, 375)
Cost = tuple[float, float]  # wall and processor seconds
FASTER = {"the same interpreter": 3.0, "tflite-runtime 2.14": 6.0}  # promised ratios to the simple script
BURST_LIMIT, CARD_LIMIT = 1.25, 0.75

# Loads the model once; for each line on standard input it prints the wall and processor seconds of one score.
NAIVE = """
import io, sys, time
import numpy as np
from PIL import Image
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter
interpreter = Interpreter(model_content=open(sys.argv[1], "rb").read())
interpreter.allocate_tensors()
given, found = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
for line in sys.stdin:
    picture = open(line.strip(), "rb").read()
    wall, busy = time.perf_counter(), time.process_time()
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize((given["shape"][2], given["shape"][1]))
    interpreter.set_tensor(given["index"], np.asarray(image)[None])
    interpreter.invoke()
    interpreter.get_tensor(found["index"])
    print(time.perf_counter() - wall, time.process_time() - busy, flush=True)
"""


class Script:
    """A simple script as a user would write it, running in some environment and ready to score."""

    def __init__(self, python: str, model: Path) -> None:
        self._process = subprocess.Popen(
            [python, "-c", NAIVE, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True
        )  # fmt: skip

    def __call__(self, picture: Path) -> Cost:
        """The cost of scoring that picture once."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(picture, file=self._process.stdin, flush=True)
        wall, busy = self._process.stdout.readline().split()
        return float(wall), float(busy)

    def close(self) -> None:
        """End the script."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


class Promises:
    """The promised figures, and which of them are missed."""

    def __init__(self) -> None:
        self.count, self.short = 0, list[str]()

    def at_least(self, what: str, found: float, limit: float) -> str:
        """A figure and its lower limit as text; noted if it is missed."""
        return self._told(what, found, "at least", limit, found >= limit)

    def at_most(self, what: str, found: float, limit: float) -> str:
        """A figure and its upper limit as text; noted if it is missed."""
        return self._told(what, found, "at most", limit, found <= limit)

    def _told(self, what: str, found: float, side: str, limit: float, met: bool) -> str:
        self.count += 1
        told = f"{found:.2f} ({side} {limit:g}: {'met' if met else 'SHORT'})"
        if not met:
            self.short.append(f"{what} {told}")
        return told


def cost(step: Callable[[], object]) -> Cost:
    """Wall and processor seconds of one call."""
    wall, busy = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - busy


def middle(costs: Sequence[Cost]) -> Cost:
    """Medians."""
    return median(wall for wall, _ in costs), median(busy for _, busy in costs)


def one_picture(
    classifier: Classifier, scripts: dict[str, Script], folder: Path, pairs: int, promises: Promises
) -> None:
    """Measure JPEG to score for our code and the scripts, alternately.

    The lower bound is a decoder that reads every coefficient and transforms almost none (an eighth of the scale, less
    than the model needs), and one invocation.
    """
    size, image = classifier.manifest.input_size, np.zeros((*classifier.manifest.input_size[::-1], 3), np.uint8)
    for noise in NOISE:
        file = folder / f"noise{noise}.jpg"
        file.write_bytes(bench_picture(noise=noise))
        ours, least, theirs = [], [], {name: [] for name in scripts}  # type: ignore[var-annotated]
        for _ in range(pairs + 1):
            picture = file.read_bytes()
            ours.append(cost(lambda: classifier.score(model_input(picture, size))))  # noqa: B023
            least.append(cost(lambda: (open_jpeg(picture, EIGHTH), classifier.features(image))))  # noqa: B023
            for name, script in scripts.items():
                theirs[name].append(script(file))
        (wall, busy), (least_wall, least_busy) = middle(ours[1:]), middle(least[1:])
        print(f"  {len(picture) / 1e6:.1f} MB: {busy * 1e3:.1f} ms of processor, {wall * 1e3:.1f} ms wall")
        for name, costs in theirs.items():
            their_wall, their_busy = middle(costs[1:])
            ratio = promises.at_least(f"{len(picture) / 1e6:.1f} MB, {name}", their_busy / busy, FASTER[name])
            print(f"     script on {name}: {their_busy * 1e3:.0f} ms, {ratio}, {their_busy / least_busy:.1f} possible; "
                  f"wall {their_wall * 1e3:.0f} ms, {their_wall / wall:.2f}, {their_wall / least_wall:.1f} possible",
                  flush=True)  # fmt: skip


def moving_burst(picture: bytes, frames: int, side: int) -> list[bytes]:
    """The picture with a moving bright square, so that regions are found; with side 0 nothing moves."""
    base, burst = Image.open(io.BytesIO(picture)).convert("RGB"), []
    for step in range(frames):
        frame = base.copy()
        left = 200 + step * (3600 - side) // frames
        frame.paste((235, 235, 235), (left, 1000, left + side, 1000 + side))
        out = io.BytesIO()
        frame.save(out, "jpeg", quality=88)
        burst.append(out.getvalue())
    return burst


@dataclass(frozen=True)
class Job:
    """What one frame needed: its region or the whole frame, and whether the model scored it."""

    picture: bytes
    region: Region | None
    scored: bool = True

    def decodes(self, manifest: Manifest, once: bool = False) -> list[Callable[[], object]]:
        """The decoder's calls: for the thumbnail, and for the region if it needs a finer scale.

        Args:
            manifest: the bundle's manifest.
            once: leave out the first of two, as if the region were known before.
        """
        whole = oriented_size(self.picture)
        thumbnail = enough_for_thumbnail(manifest.region_rule)
        region = self.region or WHOLE
        enough = enough_for(manifest.input_size, region)
        first = partial(open_jpeg, self.picture, thumbnail)
        if not self.scored or dct_scale(whole, enough) == dct_scale(whole, thumbnail):
            return [first]
        second = partial(open_region, self.picture, enough, region)
        return [second] if once else [first, second]


class Bare:
    """The bare work of some jobs, on one thread for each core."""

    def __init__(self, bundle: Bundle, jobs: list[Job]) -> None:
        self._work = {
            once: [(job.decodes(bundle.manifest, once), job.scored) for job in jobs] for once in (False, True)
        }
        self._classifiers = [Classifier(bundle) for _ in range(CORES)]
        self._image = np.zeros((*bundle.manifest.input_size[::-1], 3), np.uint8)
        self.twice = sum(len(decodes) > 1 for decodes, _ in self._work[False])

    def __call__(self, once: bool = False) -> None:
        """Do the work."""

        def some(thread: int) -> None:
            for decodes, scored in self._work[once][thread::CORES]:
                for decode in decodes:
                    decode()
                if scored:
                    self._classifiers[thread].features(self._image)

        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(some, range(CORES)))


def compare(step: Callable[[], object], bare: Bare, pairs: int) -> tuple[Cost, Cost, Cost]:
    """Medians of the step, of its bare work, and of bare work with one decode a frame, measured alternately."""
    costs = [(cost(step), cost(bare), cost(lambda: bare(once=True))) for _ in range(pairs + 1)][1:]
    ours, two, one = (middle(part) for part in zip(*costs, strict=True))
    return ours, two, one


def one_burst(bundle: Bundle, burst: list[bytes], pairs: int, name: str, promises: Promises) -> None:
    """Compare a burst, every frame scored, with its bare work.

    "One decode" leaves out the thumbnail's decode if a region needs a finer scale. That would take the memory of all
    frames at full scale (480 MB for ten of 12 megapixels).
    """
    classifier = Classifier(bundle, threads=0)
    readers = [partial(io.BytesIO, picture) for picture in burst]  # as on the trap, which does not look for damage
    verdict = score_burst(readers, classifier, every_frame=True)
    assert verdict is not None
    regions = [frame.region for frame in verdict.frames]
    bare = Bare(bundle, [Job(picture, region) for picture, region in zip(burst, regions, strict=True)])
    single = load_single_thread_classifier(bundle, classifier)
    score = partial(score_burst, readers, classifier, every_frame=True, single_thread_classifier=single)
    ours, two, one = compare(score, bare, pairs)
    width = median(region.width if region else 1.0 for region in regions)
    print(f"  {name} (regions {width:.2f} of the width, {bare.twice} of {len(burst)} frames decoded a second time): "
          f"{ours[0]:.3f} s, {ours[1]:.3f} s of processor")  # fmt: skip
    ratio = promises.at_most(f"burst, {name}", ours[0] * CORES / two[1], BURST_LIMIT)
    print(f"     over bare: {ratio}, wall {ours[0] / two[0]:.2f}, processor {ours[1] / two[1]:.2f}; "
          f"one decode a frame: {ours[0] * CORES / one[1]:.2f}, processor {ours[1] / one[1]:.2f}",
          flush=True)  # fmt: skip


def write_card(card: Path, picture: bytes, side: int) -> None:
    """Write a card of thirty pictures, three in a sequence."""
    card.mkdir(parents=True)
    three = moving_burst(picture, 3, side)
    for number in range(30):
        stamp = Image.Exif()
        stamp[0x0132] = f"2026:03:01 05:{number // 3:02d}:{number % 3:02d}"
        Image.open(io.BytesIO(three[number % 3])).save(card / f"IMG_{number:04d}.JPG", exif=stamp, quality=88)


def whole_card(bundle: Bundle, folder: Path, partial_log: Path, kind: str, pairs: int, promises: Promises) -> None:
    """Compare the engine of `uncia-trap score` with only decoding and scoring the same frames."""
    scorer, sequences = CardScorer(bundle), Card([folder]).sequences(bundle)

    def scored() -> list[tuple[CardSequence, Pictures]]:
        partial_log.unlink(missing_ok=True)
        return list(scorer.score(sequences, partial_log, lambda done, total: None))

    jobs = [
        Job(path.read_bytes(), Region(*picture.region) if picture.region else None, picture.score is not None)
        for sequence, pictures in scored()
        for path, picture in zip(sequence.paths(), pictures, strict=True)
        if picture.failure is None
    ]
    bare = Bare(bundle, jobs)
    ours, two, one = compare(scored, bare, pairs)
    spared = sum(not job.scored for job in jobs)
    print(f"  {kind}: {len(jobs)} pictures, {bare.twice} of them decoded twice, {spared} not scored: "
          f"{len(jobs) / ours[0]:.1f} a second")  # fmt: skip
    ratio = promises.at_least(f"card, {kind}", two[1] / CORES / ours[0], CARD_LIMIT)
    print(f"     of the rate of bare work: {ratio}, wall {two[0] / ours[0]:.2f}, processor {two[1] / ours[1]:.2f}; "
          f"one decode a picture: {one[1] / CORES / ours[0]:.2f}, processor {one[1] / ours[1]:.2f}",
          flush=True)  # fmt: skip


def main() -> int:
    """Print the figures; return 1 if a promised one is missed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--tflite", default=".venv-tflite/bin/python")
    parser.add_argument("--pairs", type=int, default=15)
    parser.add_argument("--card", type=Path, help="a card of real pictures as well")
    arguments = parser.parse_args()
    return_large_blocks()  # as the trap does
    bundle, promises = read_bundle(arguments.bundle), Promises()
    classifier = Classifier(bundle, threads=0)
    print(f"{classifier.info}; {CORES} cores; load {os.getloadavg()[0]:.1f}")
    pythons = {"the same interpreter": sys.executable, "tflite-runtime 2.14": arguments.tflite}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(bundle.members[MODEL])
        scripts = {
            one: Script(python, folder / "model.tflite") for one, python in pythons.items() if Path(python).exists()
        }
        print("1. JPEG of 4000 x 3000, quality 88, to a score")
        one_picture(classifier, scripts, folder, arguments.pairs, promises)
        for script in scripts.values():
            script.close()
        picture = bench_picture(noise=NOISE[1])
        print(f"2. ten frames of {len(picture) / 1e6:.1f} MB, every one scored")
        for kind, side in BURSTS:
            one_burst(bundle, moving_burst(picture, 10, side), arguments.pairs, kind, promises)
        print("3. a card of thirty pictures, three a sequence, early exit as on the trap")
        return_large_blocks(CARD_SPARE_BYTES)  # as `score` does
        for kind, side in BURSTS:
            write_card(folder / kind / "DCIM", picture, side)
            whole_card(bundle, folder / kind, folder / "card.partial", kind, arguments.pairs, promises)
        if arguments.card:
            real = f"real pictures ({arguments.card.name})"
            whole_card(bundle, arguments.card, folder / "card.partial", real, arguments.pairs, promises)
    met = promises.count - len(promises.short)
    print(f"{met} of {promises.count} promised figures met", *promises.short, sep="\n  short: ")
    return int(bool(promises.short))


if __name__ == "__main__":
    sys.exit(main())
