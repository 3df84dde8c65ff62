"""Speed of the trap's path against the script a user would write, and of bursts against their bare work.

    python benchmarks/trap_speed.py BUNDLE [--tflite .venv-tflite/bin/python] [--repeats 10]

Everything is processor time as well as wall time, medians, all ratios within one run. One rendered picture: see
`uncia_edge.bench.bench_picture` (4000 x 3000, quality 88).
"""

import argparse
import io
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
from PIL import Image

from uncia_contract.bundle import Bundle, read_bundle
from uncia_contract.classifier import Classifier
from uncia_contract.manifest import MODEL
from uncia_contract.preprocessing import model_input
from uncia_contract.scoring import score_burst

NAIVE = """
import io, json, sys, time
import numpy as np
from PIL import Image
try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter
model, picture, repeats = open(sys.argv[1], "rb").read(), open(sys.argv[2], "rb").read(), int(sys.argv[3])
interpreter = Interpreter(model_content=model)
interpreter.allocate_tensors()
given = interpreter.get_input_details()[0]
wall, busy = [], []
for _ in range(repeats + 1):
    a, b = time.perf_counter(), time.process_time()
    image = Image.open(io.BytesIO(picture)).convert("RGB").resize((given["shape"][2], given["shape"][1]))
    interpreter.set_tensor(given["index"], np.asarray(image)[None])
    interpreter.invoke()
    interpreter.get_tensor(interpreter.get_output_details()[0]["index"])
    wall.append(time.perf_counter() - a); busy.append(time.process_time() - b)
print(json.dumps([sorted(wall[1:])[repeats // 2], sorted(busy[1:])[repeats // 2]]))
"""


def timed(step: Callable[[], object], repeats: int) -> tuple[float, float]:
    """Median wall and processor seconds."""
    step()
    wall, busy = [], []
    for _ in range(repeats):
        started, worked = time.perf_counter(), time.process_time()
        step()
        wall.append(time.perf_counter() - started)
        busy.append(time.process_time() - worked)
    return median(wall), median(busy)


def naive(python: str, model: Path, picture: Path, repeats: int) -> tuple[float, float]:
    """The script a user would write, in that environment."""
    command = [python, "-c", NAIVE, str(model), str(picture), str(repeats)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    wall, busy = json.loads(done.stdout.splitlines()[-1])
    return wall, busy


def moving_burst(picture: bytes, frames: int, side: int = 900) -> list[bytes]:
    """The picture with a bright square that walks, so that regions are found."""
    base, burst = Image.open(io.BytesIO(picture)).convert("RGB"), []
    for step in range(frames):
        frame = base.copy()
        left = 300 + step * 250
        frame.paste((235, 235, 235), (left, 1200, left + side, 1200 + side))
        out = io.BytesIO()
        frame.save(out, "jpeg", quality=88)
        burst.append(out.getvalue())
    return burst


def bare(bundle: Bundle, classifier: Classifier, burst: list[bytes], repeats: int) -> tuple[float, float, float]:
    """Processor seconds of one decode a frame, of the second decodes that regions ask for, and of the invokes."""
    from uncia_contract.burst_pictures import small

    verdict = score_burst([lambda p=p: p for p in burst], classifier, every_frame=True)
    assert verdict is not None
    regions = [look.region for look in verdict.looks]
    size, rule = bundle.manifest.input_size, bundle.manifest.region_rule
    looks = timed(lambda: [small(picture, rule) for picture in burst], repeats)[1]
    pairs = list(zip(burst, regions, strict=True))
    inputs = timed(lambda: [model_input(picture, size, region) for picture, region in pairs], repeats)[1]
    image = model_input(burst[0], size)
    invokes = timed(lambda: [classifier.features(image) for _ in burst], repeats)[1]
    print(f"   regions found: {sum(region is not None for region in regions)} of {len(burst)}")
    return looks, inputs, invokes


def early_exit(classifier: Classifier, burst: int) -> None:
    """Frames spared against the bound: with every score 0, how many must be scored before nothing can change."""
    from uncia_contract.decisions import DecisionRule, decide_early

    for threshold in (0.3, 0.5, 0.7, 0.9):
        rule = DecisionRule(threshold)
        _, scores = decide_early(lambda index: 0.0, burst, rule)
        needed = next(k for k in range(burst + 1) if (burst - k) / burst < threshold)
        spared = burst - len(scores)
        print(f"   burst of {burst:2d}, threshold {threshold}: {spared} frames spared, bound {burst - needed}")


def main() -> None:
    """Prints the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--tflite", default=".venv-tflite/bin/python")
    parser.add_argument("--repeats", type=int, default=10)
    arguments = parser.parse_args()
    from uncia_edge.bench import bench_picture

    bundle = read_bundle(arguments.bundle)
    picture = bench_picture()
    folder = Path("out/bench")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "picture.jpg").write_bytes(picture)
    (folder / "model.tflite").write_bytes(bundle.members[MODEL])
    classifier = Classifier(bundle)
    size, repeats = bundle.manifest.input_size, arguments.repeats
    info = classifier.info
    print(f"picture: 4000 x 3000, quality 88, {len(picture) / 1e6:.1f} MB; {info.name} {info.version}")
    ours = timed(lambda: classifier.score(model_input(picture, size)), repeats)
    print(f"1. JPEG to score: {ours[0] * 1e3:.1f} ms wall, {ours[1] * 1e3:.1f} ms of processor")
    for name, python in (("same interpreter", sys.executable), ("tflite-runtime 2.14", arguments.tflite)):
        if Path(python).exists():
            wall, busy = naive(python, folder / "model.tflite", folder / "picture.jpg", repeats)
            print(f"   naive script, {name}: {wall * 1e3:.1f} ms wall ({wall / ours[0]:.1f} x), "
                  f"{busy * 1e3:.1f} ms of processor ({busy / ours[1]:.1f} x)")  # fmt: skip
    print("2. ten frames with regions, all scored")
    burst = moving_burst(picture, 10)
    looks, inputs, invokes = bare(bundle, classifier, burst, max(2, repeats // 4))
    readers = [lambda p=p: p for p in burst]
    wall, busy = timed(lambda: score_burst(readers, classifier, every_frame=True), max(2, repeats // 4))
    work = looks + inputs + invokes
    print(f"   {wall:.3f} s wall, {busy:.3f} s of processor; bare: thumbnails {looks:.3f}, inputs {inputs:.3f}, "
          f"invokes {invokes:.3f} s of processor")  # fmt: skip
    print(f"   processor / bare (two decodes a frame) {busy / work:.2f}")
    print(f"   processor / bare (one decode a frame) {busy / (inputs + invokes):.2f}")
    print(f"   wall x 2 cores / bare (two decodes a frame) {2 * wall / work:.2f}")
    print("3. early exit")
    for frames in (3, 5, 10):
        early_exit(classifier, frames)
    print(f"   (numpy {np.__version__})")


if __name__ == "__main__":
    main()
