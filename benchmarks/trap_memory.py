"""Memory of a trap over a day of frames: the real runtime on a watched folder, resident size after each tenth of them.

Goal: flat over 5,000 frames. `python benchmarks/trap_memory.py --bundle models/rendered-demo-1.uncia [--frames 5000]`.
"""

import argparse
import io
import json
import random
import sys
import tempfile
from pathlib import Path

from PIL import Image

from uncia_contract.frames import Frame
from uncia_edge.cameras import ArrivedBurst
from uncia_edge.runtime import Runtime
from uncia_edge.settings import CameraSettings, TrapSettings


def resident_kb() -> int:
    """Resident memory of this process."""
    fields = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in fields if line.startswith("VmRSS")).split()[1])


def picture(chance: random.Random) -> bytes:
    """A JPEG of two megapixels with something in it."""
    noise = Image.frombytes("RGB", (48, 27), chance.randbytes(48 * 27 * 3))
    stream = io.BytesIO()
    noise.resize((1920, 1080)).save(stream, "JPEG", quality=85)
    return stream.getvalue()


def main() -> int:
    """Print resident kilobytes after each tenth; 1 when the last is a tenth above the second."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=5000)
    arguments = parser.parse_args()
    chance, sizes = random.Random(1), []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in" / "x").mkdir(parents=True)
        (folder / "in" / "x" / "a.jpg").write_bytes(picture(chance))
        camera = CameraSettings(folder=str(folder / "in"))
        settings = TrapSettings("ridge-1", str(arguments.bundle), str(folder / "state"), camera=camera)
        runtime = Runtime(settings)
        for number in range(arguments.frames // 10):
            paths = [folder / f"f{n}.jpg" for n in range(10)]
            for path in paths:
                path.write_bytes(picture(chance))
            runtime.observe(ArrivedBurst(f"b{number}", tuple(Frame(path.name, path) for path in paths)))
            if (number + 1) % max(1, arguments.frames // 100) == 0:
                sizes.append(resident_kb())
        waiting = len(runtime.outbox.waiting())
        runtime.outbox.close()
    print(json.dumps({"frames": arguments.frames, "resident_kb": sizes, "waiting": waiting}))
    return int(sizes[-1] > 1.1 * sizes[1])


if __name__ == "__main__":
    sys.exit(main())
