"""Run the whole trap on a card that refuses for a while; needs the shim of the bad card.

Arguments: a folder, the errno. Prints its observations as JSON.
"""

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
from tests.end_to_end.conftest import STARTER, jpeg

from support.bad_card import FOR_GOOD, BadCard
from uncia_contract.bursts.decisions import DecisionRule
from uncia_contract.model.bundle import read_bundle, write_bundle
from uncia_edge.camera import watched
from uncia_edge.scoring.observer import Observation
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, OutboxSettings, TrapSettings


class Running:
    """A trap with its state on the card that fails, and a watched folder on another disk."""

    def __init__(self, folder: Path) -> None:
        self.state, self.pictures, bundle = folder / "state", folder / "DCIM", folder / "eager-1.uncia"
        self.pictures.mkdir(parents=True)
        starter = read_bundle(STARTER)
        manifest = msgspec.structs.replace(starter.manifest, name="eager", decision_rule=DecisionRule(0.0))
        bundle.write_bytes(write_bundle(manifest, starter.members))
        settings = TrapSettings(
            trap="ridge-01",
            bundle=str(bundle),
            state=str(self.state),
            camera=CameraSettings("watched", str(self.pictures), settle_s=0.05, quiet_s=0.2),
            broker=BrokerSettings(port=1),
            outbox=OutboxSettings(free_mb=0, ballast_mb=0),
        )
        self.runtime, self.seen, self.number = Runtime(settings), list[Observation](), 0
        self.thread = threading.Thread(target=self._run)
        self.thread.start()

    def _run(self) -> None:
        with self.runtime:
            self.runtime.run(self.seen.append)

    def burst(self) -> None:
        """Write a burst of three frames, some time after the last one."""
        aside = self.pictures.with_name("aside")
        aside.mkdir(exist_ok=True)
        for number in range(self.number + 1, self.number + 4):
            (aside / f"IMG_{number:04d}.JPG").write_bytes(jpeg(number))
        for file in sorted(aside.iterdir()):  # renaming is fast, so that it stays one burst
            file.rename(self.pictures / file.name)
        self.number += 3

    def wait(self, condition: Callable[[], Any]) -> None:
        deadline = time.monotonic() + 120
        while not condition():
            if not self.thread.is_alive() or time.monotonic() > deadline:
                sys.exit(f"stuck; alive {self.thread.is_alive()}, troubles {[one.problem for one in self.seen]}")
            time.sleep(0.02)

    def degraded(self) -> list[str]:
        """The problems in the state message."""
        return list(json.loads(self.runtime._state().payload).get("degraded", []))


def main() -> None:
    """Observe one burst before, two while the card refuses, and one after."""
    logging.disable(logging.CRITICAL)
    watched.RETRY_S = 0.3
    code = int(sys.argv[2])
    running = Running(Path(sys.argv[1]))
    card = BadCard(running.state)
    running.burst()
    running.wait(lambda: len(running.seen) == 1)
    card.refuse(1, FOR_GOOD, code)
    for waiting in (1, 2):
        running.burst()
        running.wait(lambda: f"{waiting} bursts wait for room on the card" in running.degraded())  # noqa: B023
    told, silent = running.degraded(), running.runtime.watchdog.overdue()
    refused = [one.record.frames_scored for one in running.seen if not one.safe and one.record is not None]
    card.relent()
    running.burst()
    running.wait(lambda: sum(one.safe for one in running.seen) == 4)
    running.wait(lambda: running.degraded() == [])
    print(
        json.dumps(
            {
                "told": told,
                "silent": silent,
                "scored_while_refused": refused,
                "waiting": len(running.runtime.outbox.queries.waiting()),
                "bursts": running.runtime.outbox.counters().bursts,
                "frames": running.runtime.outbox.counters().frames,
            }
        )
    )
    running.runtime.stop()
    running.thread.join(30)


if __name__ == "__main__":
    main()
