"""Memory of a trap over a day of frames: the resident size of the real runtime after each twentieth of them.

The frames come through a watched folder and stay there. Every burst is positive and goes through the outbox and a real
Mosquitto to a real collector in a process of its own. With `--offline` there is neither, so that all sequences stay on
the card. Goal: memory does not grow over 5,000 frames.

    python benchmarks/trap_memory.py --bundle models/rendered-demo-1.uncia [--frames 5000] [--offline]
"""

import argparse
import io
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
from PIL import Image

from delivery_goodput import start_broker
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings

BURST, PICTURES, SAMPLES, AT_ONCE = 10, 40, 20, 5


def resident_kb() -> int:
    """Resident memory of this process in kB."""
    fields = Path("/proc/self/status").read_text().splitlines()
    return int(next(line for line in fields if line.startswith("VmRSS")).split()[1])


def pictures(folder: Path) -> list[Path]:
    """JPEGs of two megapixels with some content."""
    chance, paths = random.Random(1), [folder / f"IMG_{n:04d}.JPG" for n in range(PICTURES)]
    for path in paths:
        noise = Image.frombytes("RGB", (48, 27), chance.randbytes(48 * 27 * 3))
        stream = io.BytesIO()
        noise.resize((1920, 1080)).save(stream, "JPEG", quality=85)
        path.write_bytes(stream.getvalue())
    return paths


def eager(bundle: Path, folder: Path) -> Path:
    """The bundle with a threshold of 0, so that every burst is positive."""
    found, path = read_bundle(bundle), folder / "eager.uncia"
    rule = msgspec.structs.replace(found.manifest.decision_rule, threshold=0.0)
    path.write_bytes(write_bundle(msgspec.structs.replace(found.manifest, decision_rule=rule), found.members))
    return path


@contextmanager
def base_station(folder: Path) -> Iterator[int]:
    """Run a broker and a collector as processes; yield the broker's port."""
    broker, port = start_broker(folder)
    (folder / "c.toml").write_text(f'data = "{folder}/data"\n[broker]\nport = {port}\n[http]\nport = 0\n')
    code = "import sys; from uncia_collector.cli.main import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "serve", "--config", str(folder / "c.toml")]
    collector = subprocess.Popen(command, env=os.environ, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield port
    finally:
        for process in (collector, broker):
            process.terminate()
            process.wait()


class Visitors:
    """Writes bursts into a watched folder, several at once; files are a second apart, bursts a hundred seconds."""

    def __init__(self, folder: Path, paths: list[Path], bursts: int) -> None:
        self.folder, self.left, self._paths, self._chance = folder / "DCIM", bursts, paths, random.Random(2)
        self.folder.mkdir()

    def come(self) -> None:
        """Write more bursts, so that the trap never waits for long."""
        for _ in range(min(AT_ONCE, self.left)):
            self.left -= 1
            for n, path in enumerate(self._chance.sample(self._paths, BURST)):
                aside = self.folder / f"{self.left:05d}-{n}.part"
                aside.write_bytes(path.read_bytes())
                os.utime(aside, (1e9 - 100 * self.left + n,) * 2)
                aside.rename(aside.with_suffix(".JPG"))


def day(folder: Path, bundle: Path, frames: int, port: int | None) -> dict[str, object]:
    """Run a day; return the resident kilobytes over the frames, and what is still on the card at the end."""
    visitors, sizes, seen = Visitors(folder, pictures(folder), frames // BURST), list[int](), 0
    camera = CameraSettings("watched", str(visitors.folder), settle_s=0.1, quiet_s=0.1)
    broker = BrokerSettings(port=port or 1883)
    runtime = Runtime(
        TrapSettings("ridge-1", str(eager(bundle, folder)), str(folder / "state"), camera=camera, broker=broker)
    )
    with ExitStack() as stack:
        if port is not None:
            stack.enter_context(runtime)
        visitors.come()
        for burst in runtime.camera.bursts():
            runtime.observe(burst)
            seen += 1
            if seen % max(1, frames // BURST // SAMPLES) == 0:
                sizes.append(resident_kb())
            if seen % AT_ONCE == 0:
                visitors.come()
            if seen == frames // BURST:
                runtime.stop()
        deadline = time.monotonic() + 120
        while port is not None and runtime.outbox.queries.waiting() and time.monotonic() < deadline:
            time.sleep(0.1)
        waiting = len(runtime.outbox.queries.waiting())
    return {"frames": frames, "offline": port is None, "resident_kb": sizes, "sequences_waiting": waiting}


def main() -> int:
    """Print the figures; return 1 if the last size is over 5 % above that after a tenth of the frames."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bundle", type=Path, required=True)
    parser.add_argument("--frames", type=int, default=5000)
    parser.add_argument("--offline", action="store_true", help="without a base station: all sequences stay on the card")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        port = None if arguments.offline else stack.enter_context(base_station(Path(name)))
        found = day(Path(name), arguments.bundle, arguments.frames, port)
    print(json.dumps(found))
    sizes = found["resident_kb"]
    assert isinstance(sizes, list)
    return int(sizes[-1] > 1.05 * sizes[1])


if __name__ == "__main__":
    sys.exit(main())
