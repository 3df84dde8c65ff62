"""Speed of the trap's path against the script a user would write, of bursts against their bare work, of whole cards.

    python benchmarks/trap_speed.py BUNDLE [--tflite .venv-tflite/bin/python] [--pairs 7]

Ratios within one run, ours and theirs in turn, medians of processor seconds (all threads) and of wall time. Pictures
are rendered (`uncia_edge.bench.bench_picture`, 4000 x 3000, quality 88), with three amounts of sensor noise: real
cameras leave 0.8 to 1.1 bits a pixel in ../shared/data, which is 1.2 to 1.7 MB for 12 megapixels.
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
from pathlib import Path
from statistics import median

from PIL import Image

from uncia_contract.bundle import Bundle, read_bundle
from uncia_contract.burst_pictures import small, thumbnail_source
from uncia_contract.classifier import Classifier
from uncia_contract.jpeg import dct_scale
from uncia_contract.manifest import MODEL, Manifest
from uncia_contract.preprocessing import WHOLE, enough_for, model_input
from uncia_contract.regions import Region
from uncia_contract.scoring import score_burst
from uncia_edge.bench import bench_picture
from uncia_edge.card import Card, CardScorer
from uncia_edge.memory import return_large_blocks

NOISE = (2.5, 4.0, 6.0)  # grey levels of sensor noise
BURSTS = (("nothing moves", 0), ("a large animal", 1500), ("a small animal", 700))  # pixels
CORES = len(os.sched_getaffinity(0))
Cost = tuple[float, float]  # wall and processor seconds

# Loads the model once, then answers each line on standard input with the wall and processor seconds of one score.
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
    """The script a user would write, in some environment, ready to score."""

    def __init__(self, python: str, model: Path) -> None:
        self._process = subprocess.Popen(
            [python, "-c", NAIVE, str(model)], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL, text=True
        )  # fmt: skip

    def __call__(self, picture: Path) -> Cost:
        """What one score of that picture costs."""
        assert self._process.stdin is not None and self._process.stdout is not None
        print(picture, file=self._process.stdin, flush=True)
        wall, busy = self._process.stdout.readline().split()
        return float(wall), float(busy)

    def close(self) -> None:
        """Ends it."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()


def cost(step: Callable[[], object]) -> Cost:
    """Wall and processor seconds of one call."""
    wall, busy = time.perf_counter(), time.process_time()
    step()
    return time.perf_counter() - wall, time.process_time() - busy


def middle(costs: Sequence[Cost]) -> Cost:
    """Medians."""
    return median(wall for wall, _ in costs), median(busy for _, busy in costs)


def one_picture(classifier: Classifier, scripts: dict[str, Script], folder: Path, pairs: int) -> None:
    """JPEG to score, ours and the scripts in turn."""
    size = classifier.manifest.input_size
    for noise in NOISE:
        file = folder / f"noise{noise}.jpg"
        file.write_bytes(bench_picture(noise=noise))
        ours, theirs = [], {name: [] for name in scripts}  # type: ignore[var-annotated]
        for _ in range(pairs + 1):
            picture = file.read_bytes()
            ours.append(cost(lambda: classifier.score(model_input(picture, size))))  # noqa: B023
            for name, script in scripts.items():
                theirs[name].append(script(file))
        wall, busy = middle(ours[1:])
        print(f"  {len(picture) / 1e6:.1f} MB: {busy * 1e3:.1f} ms of processor, {wall * 1e3:.1f} ms wall")
        for name, costs in theirs.items():
            their_wall, their_busy = middle(costs[1:])
            print(f"     script on {name}: {their_busy * 1e3:.0f} ms ({their_busy / busy:.1f} x), "
                  f"{their_wall * 1e3:.0f} ms wall ({their_wall / wall:.1f} x)", flush=True)  # fmt: skip


def moving_burst(picture: bytes, frames: int, side: int) -> list[bytes]:
    """The picture with a bright square that walks, so that regions are found; with side 0 nothing moves."""
    base, burst = Image.open(io.BytesIO(picture)).convert("RGB"), []
    for step in range(frames):
        frame = base.copy()
        left = 200 + step * (3600 - side) // frames
        frame.paste((235, 235, 235), (left, 1000, left + side, 1000 + side))
        out = io.BytesIO()
        frame.save(out, "jpeg", quality=88)
        burst.append(out.getvalue())
    return burst


def one_burst(bundle: Bundle, burst: list[bytes], pairs: int, name: str) -> None:
    """A burst, every frame scored, against its bare decodes and invokes on as many threads as there are cores.

    Bare is what the burst cannot do without: each frame decoded and invoked once and, where its region asks for a finer
    scale than its thumbnail, decoded a second time. "One decode" leaves the second out, which takes the memory of all
    decoded frames together (120 MB for ten of 12 megapixels at half scale).
    """
    classifiers = [Classifier(bundle) for _ in range(CORES)]
    manifest, readers = bundle.manifest, [lambda picture=picture: picture for picture in burst]
    verdict = score_burst(readers, classifiers[0], every_frame=True)
    assert verdict is not None
    regions = [look.region for look in verdict.looks]
    twice = [is_finer(picture, region, manifest) for picture, region in zip(burst, regions, strict=True)]

    def bare(decodes: int) -> None:
        def some(thread: int) -> None:
            for index in range(thread, len(burst), CORES):
                if decodes == 2 and twice[index]:
                    small(burst[index], manifest.region_rule)
                classifiers[thread].features(model_input(burst[index], manifest.input_size, regions[index]))

        list(pool.map(some, range(CORES)))

    with ThreadPoolExecutor(CORES) as pool:
        costs = [
            (
                cost(lambda: score_burst(readers, classifiers[0], every_frame=True)),
                cost(lambda: bare(2)),
                cost(lambda: bare(1)),
            )
            for _ in range(pairs)
        ]
    ours, two, one = (middle(part) for part in zip(*costs, strict=True))
    width = median(region.width if region else 1.0 for region in regions)
    print(f"  {name} (regions {width:.2f} of the width, {sum(twice)} of {len(burst)} frames decoded a second time): "
          f"{ours[0]:.3f} s, {ours[1]:.3f} s of processor")  # fmt: skip
    print(f"     over bare: {ours[0] / two[0]:.2f} (processor {ours[1] / two[1]:.2f}); "
          f"one decode a frame: {ours[0] / one[0]:.2f} (processor {ours[1] / one[1]:.2f})", flush=True)  # fmt: skip


def is_finer(picture: bytes, region: Region | None, manifest: Manifest) -> bool:
    """Whether the region is decoded at a finer scale than the thumbnail."""
    whole, enough = thumbnail_source(picture, manifest.region_rule)
    return dct_scale(whole, enough_for(manifest.input_size, region or WHOLE)) < dct_scale(whole, enough)


def write_card(card: Path, picture: bytes, side: int) -> None:
    """Thirty pictures, three a sequence."""
    card.mkdir(parents=True)
    three = moving_burst(picture, 3, side)
    for number in range(30):
        stamp = Image.Exif()
        stamp[0x0132] = f"2026:03:01 05:{number // 3:02d}:{number % 3:02d}"
        Image.open(io.BytesIO(three[number % 3])).save(card / f"IMG_{number:04d}.JPG", exif=stamp, quality=88)


def whole_card(bundle: Bundle, folder: Path, kind: str, pairs: int) -> None:
    """`uncia-trap score`'s engine against decoding for the model and invoking alone, on as many threads."""
    card = folder / "DCIM"
    files, size = sorted(card.iterdir()), bundle.manifest.input_size
    classifiers = [Classifier(bundle) for _ in range(CORES)]

    def alone() -> None:
        def some(thread: int) -> None:
            for file in files[thread::CORES]:
                classifiers[thread].score(model_input(file.read_bytes(), size))

        with ThreadPoolExecutor(CORES) as pool:
            list(pool.map(some, range(CORES)))

    def scored() -> None:
        sequences = Card([folder]).sequences(bundle)
        partial = folder / "card.partial"
        list(scorer.score(sequences, partial, lambda done, total: None))
        partial.unlink(missing_ok=True)

    scorer = CardScorer(bundle)
    costs = [(cost(alone), cost(scored)) for _ in range(pairs)]
    bare, ours = middle([one for one, _ in costs]), middle([one for _, one in costs])
    print(f"  {kind}: {len(files) / ours[0]:.1f} pictures a second, alone {len(files) / bare[0]:.1f}: "
          f"{bare[0] / ours[0]:.2f} of the rate, {bare[1] / ours[1]:.2f} by processor time", flush=True)  # fmt: skip


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--tflite", default=".venv-tflite/bin/python")
    parser.add_argument("--pairs", type=int, default=7)
    arguments = parser.parse_args()
    return_large_blocks()  # as the trap does
    bundle = read_bundle(arguments.bundle)
    classifier = Classifier(bundle)
    info = classifier.info
    print(f"{info.name} {info.version} ({info.delegate}), one thread; {CORES} cores; load {os.getloadavg()[0]:.1f}")
    pythons = {"the same interpreter": sys.executable, "tflite-runtime 2.14": arguments.tflite}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "model.tflite").write_bytes(bundle.members[MODEL])
        scripts = {
            one: Script(python, folder / "model.tflite") for one, python in pythons.items() if Path(python).exists()
        }
        print("1. JPEG of 4000 x 3000, quality 88, to a score")
        one_picture(classifier, scripts, folder, arguments.pairs)
        for script in scripts.values():
            script.close()
        picture, few = bench_picture(noise=NOISE[1]), max(3, arguments.pairs // 2)
        print(f"2. ten frames of {len(picture) / 1e6:.1f} MB, every one scored")
        for kind, side in BURSTS:
            one_burst(bundle, moving_burst(picture, 10, side), few, kind)
        print("3. a card of thirty pictures, three a sequence, early exit as on the trap")
        for kind, side in BURSTS:
            write_card(folder / kind / "DCIM", picture, side)
            whole_card(bundle, folder / kind, kind, few)


if __name__ == "__main__":
    main()
