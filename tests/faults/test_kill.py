"""`kill -9` at random moments on trap, broker and collector while a stream of bursts runs.

Everything is the real program, a process of its own. In the end every frame of every burst is in the catalogue exactly
once, with the sha256 of the picture that was written into the trap's folder.
"""

import hashlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.end_to_end.conftest import STARTER, jpeg

from uncia_contract.bundle import read_bundle, write_bundle
from uncia_contract.decisions import DecisionRule

TRAP = """
trap = "ridge-1"
bundle = "{folder}/eager-1.uncia"
state = "{folder}/state"
[camera]
kind = "watched"
folder = "{folder}/DCIM"
settle_s = 0.1
quiet_s = 0.3
[broker]
port = {port}
keepalive_s = 5
"""
COLLECTOR = """
data = "{folder}/data"
[broker]
port = {port}
keepalive_s = 5
[http]
port = 0
"""


class World:
    """Trap, broker and collector as processes, and the bursts that a camera writes."""

    def __init__(self, folder: Path, broker: Any) -> None:
        self.folder, self.broker = folder, broker
        self.sent: dict[str, Path] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        (folder / "DCIM" / "100TRAPS").mkdir(parents=True)
        for name, text in (("trap", TRAP), ("collector", COLLECTOR)):
            (folder / f"{name}.toml").write_text(text.format(folder=folder, port=broker.port))
        starter = read_bundle(STARTER)
        manifest = msgspec.structs.replace(starter.manifest, name="eager", decision_rule=DecisionRule(0.0))
        (folder / "eager-1.uncia").write_bytes(write_bundle(manifest, starter.members))

    def start(self, name: str) -> None:
        """Start one of the three."""
        if name == "broker":
            self.broker.start()
            return
        module, command = {"trap": ("uncia_edge.cli", "run"), "collector": ("uncia_collector.cli", "serve")}[name]
        code = f"import sys; from {module} import main; sys.exit(main(sys.argv[1:]))"
        with (self.folder / f"{name}.log").open("ab") as log:
            self.processes[name] = subprocess.Popen(
                [sys.executable, "-c", code, command, "--config", str(self.folder / f"{name}.toml")],
                stdout=log,
                stderr=log,
                env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
            )

    def kill(self, name: str) -> None:
        """SIGKILL, in the middle of whatever it does."""
        if name == "broker":
            self.broker.kill()
            return
        process = self.processes[name]
        assert process.poll() is None, f"{name} ended by itself: {(self.folder / f'{name}.log').read_text()[-2000:]}"
        process.send_signal(signal.SIGKILL)
        process.wait(10)

    def burst(self, number: int, frames: int = 3) -> None:
        """Three pictures, a hundred seconds of camera time after the burst before."""
        for n in range(frames):
            content = jpeg(10_000 + 10 * number + n, (160, 120))
            path = self.folder / "DCIM" / "100TRAPS" / f"B{number:04d}-{n}.JPG"
            aside = path.with_suffix(".part")
            aside.write_bytes(content)
            taken_s = 1_700_000_000 + 100 * number + n
            os.utime(aside, (taken_s, taken_s))
            aside.rename(path)
            self.sent[hashlib.sha256(content).hexdigest()] = path

    def stored(self) -> Counter[str]:
        """How often each picture lies in the catalogue, by sha256 of the stored file itself."""
        code = "import sys; from uncia_collector.cli import main; sys.exit(main(sys.argv[1:]))"
        done = subprocess.run(
            [sys.executable, "-c", code, "list", "--data", str(self.folder / "data"), "--json"],
            capture_output=True,
            check=True,
            env={**os.environ, "PYTHONPATH": ":".join(sys.path)},
        )
        found: Counter[str] = Counter()
        for sequence in json.loads(done.stdout):
            for file in sequence["files"]:
                found[hashlib.sha256((self.folder / "data" / file["path"]).read_bytes()).hexdigest()] += 1
        return found

    def stop(self) -> None:
        """End what still runs."""
        for process in self.processes.values():
            if process.poll() is None:
                process.kill()
                process.wait(10)


@pytest.mark.parametrize("rounds", [3, pytest.param(100, marks=pytest.mark.faults)])
def test_kill_9_at_random_moments_loses_and_doubles_nothing(tmp_path: Path, mosquitto: Any, rounds: int) -> None:
    """Every positive sequence in the catalogue exactly once, every frame's sha256 right."""
    world, chance = World(tmp_path, mosquitto), random.Random(rounds)
    world.start("collector")
    world.start("trap")
    try:
        for number in range(rounds):
            world.burst(number)
            time.sleep(chance.uniform(0.1, 3.0))
            victim = chance.choice(["trap", "broker", "collector"])
            world.kill(victim)
            world.start(victim)
        deadline = time.monotonic() + 120
        while set(world.sent) - set(found := world.stored()):
            assert time.monotonic() < deadline, f"missing: {len(set(world.sent) - set(found))} of {len(world.sent)}"
            time.sleep(1.0)
        assert world.stored() == Counter(dict.fromkeys(world.sent, 1))
    finally:
        world.stop()
        shutil.rmtree(tmp_path / "DCIM", ignore_errors=True)
