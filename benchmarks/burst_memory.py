"""Peak memory of a process with all of the trap's parts that scores one burst of thirty 12-megapixel JPEGs of 5 MB.

    python benchmarks/burst_memory.py BUNDLE

The burst is rendered in a child process, so that only the scoring is measured. Two bursts: one whose animal is large
(regions decoded at half scale) and one whose animal is as small as regions get (decoded in full).
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

FRAMES, QUALITY = 30, 95

SCORE = """
import resource, sys
from pathlib import Path
import uncia_edge.runtime
from uncia_edge.memory import return_large_blocks
from uncia_contract.bundle import read_bundle
from uncia_contract.classifier import Classifier
from uncia_contract.scoring import score_burst
return_large_blocks()
def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
classifier = Classifier(read_bundle(Path(sys.argv[1])))
classifier.check_probes()
ready = peak()
files = sorted(Path(sys.argv[2]).glob("*.jpg"))
verdict = score_burst([file.read_bytes for file in files], classifier, every_frame=True)
region = verdict.looks[len(files) // 2].region
width = 1.0 if region is None else region.width
print(f"{len(files)} frames of {files[0].stat().st_size / 1e6:.1f} MB, region {width:.2f} of the width: "
      f"{ready:.0f} MB ready, {peak():.0f} MB at most")
"""


def render(folder: Path, side: int) -> None:
    """Thirty frames with a bright square of that many pixels that walks."""
    from uncia_edge.bench import bench_picture

    base = Image.open(io.BytesIO(bench_picture())).convert("RGB")
    for step in range(FRAMES):
        frame = base.copy()
        left = 300 + step * (2400 // FRAMES)
        frame.paste((235, 235, 235), (left, 1200, left + side, 1200 + side))
        frame.save(folder / f"{step:02d}.jpg", quality=QUALITY)


def main() -> None:
    """Prints a line a burst; `render FOLDER SIDE` is the child."""
    if sys.argv[1] == "render":
        render(Path(sys.argv[2]), int(sys.argv[3]))
        return
    for side in (900, 300):
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, __file__, "render", folder, str(side)], check=True)
            subprocess.run([sys.executable, "-c", SCORE, sys.argv[1], folder], check=True)


if __name__ == "__main__":
    main()
