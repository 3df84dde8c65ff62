"""Replays recorded bursts through the real trap, a real broker and the real collector, on one computer.

Decides how the three are connected and when the replay ends. It has no other rules, so the result is the same as on a
trap in the field.
"""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, tzinfo
from pathlib import Path

from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings as CollectorBroker
from uncia_collector.settings import BudgetSettings, CollectorSettings
from uncia_contract.errors import BrokerError
from uncia_contract.pictures.picture_files import LeftOut
from uncia_contract.pictures.picture_sum import PictureSum
from uncia_edge.camera.recorded import RecordedCamera
from uncia_edge.scoring.observer import Observation
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings
from uncia_simulation.broker import EmbeddedBroker, is_listening

TRAP = "desk-1"
CATALOGUE, STATE, BROKER = "catalogue", "trap", "broker"


@dataclass(frozen=True)
class Plan:
    """What to replay, with which bundle, and the folder for the results.

    `broker` is the address of a running broker; None starts one. `strips` are the heights of the burnt-in strips at top
    and bottom, in fractions of the frame. `wait_s` is the longest wait for deliveries after the last burst, in seconds.
    `zone` is the zone of times without an offset.
    """

    bursts: Path
    bundle: Path
    out: Path
    broker: tuple[str, int] | None = None
    strips: tuple[float, float] = (0.0, 0.0)
    wait_s: float = 120.0
    zone: tzinfo = UTC


@dataclass
class Replay:
    """The result of a replay: all observations, and for each positive sequence the number of frames with a receipt.

    `unreadable` has a line for each folder that could not be listed; `left_out` counts files that were not replayed.
    """

    observations: list[Observation] = field(default_factory=list)
    delivered: dict[str, int] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    left_out: Mapping[LeftOut, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def pictures(self) -> PictureSum:
        """The counts of all pictures that were found."""
        frames = [frame for one in self.observations if one.record is not None for frame in one.frames]
        failed = sum(len(one.failures) for one in self.observations)
        left_out = {**self.left_out, LeftOut.UNREADABLE_FOLDER: len(self.unreadable)}
        return PictureSum(len(frames), failed, left_out, sum(frame.taken.at is None for frame in frames))


Watch = Callable[[str, int, int | None], None]


def simulate(plan: Plan, watch: Watch = lambda step, done, total: None) -> Replay:
    """Replay all bursts and wait for the receipts.

    Args:
        plan: what to replay, and where.
        watch: called with the step (`bursts` or `delivered`), the number done, and the number of all; None if that is
            not known yet, because the times on a card must be read first.

    Raises:
        DataError: there are no bursts.
        BundleError: the bundle cannot be used.
        BrokerError: the given broker cannot be reached.
    """
    began = time.monotonic()
    recorded = RecordedCamera(plan.bursts)
    replay, total = Replay(left_out=recorded.left_out), recorded.total
    with _broker(plan) as (host, port), _collector(plan, host, port), Runtime(_trap(plan, host, port)) as runtime:

        def note(observation: Observation) -> None:
            replay.observations.append(observation)
            watch("bursts", len(replay.observations), total)

        watch("bursts", 0, total)
        runtime.run(note)
        watch("bursts", len(replay.observations), len(replay.observations))
        replay.unreadable = runtime.unreadable
        _await_receipts(runtime, replay, plan.wait_s, watch)
    replay.seconds = time.monotonic() - began
    return replay


@contextmanager
def _broker(plan: Plan) -> Iterator[tuple[str, int]]:
    if plan.broker is not None:
        host, port = plan.broker
        if not is_listening(host, port):
            raise BrokerError(f"no broker at {host}:{port}; start one there, or leave --broker out to have one started")
        yield host, port
        return
    with EmbeddedBroker(plan.out / BROKER) as broker:
        yield broker.host, broker.port


@contextmanager
def _collector(plan: Plan, host: str, port: int) -> Iterator[Collector]:
    settings = CollectorSettings(
        data=str(plan.out / CATALOGUE),
        broker=CollectorBroker(host=host, port=port),
        http=None,
        # No limits, because a replay is faster than a trap.
        budgets=BudgetSettings(mb_per_minute=0, messages_per_minute=0, mb_per_day=0, waiting_mb=0),
    )
    collector = Collector(settings)
    collector.start()
    try:
        collector.wait_ready()
        yield collector
    finally:
        collector.stop()


def _trap(plan: Plan, host: str, port: int) -> TrapSettings:
    offset = plan.zone.utcoffset(None)  # None for a zone that is given by name
    camera = CameraSettings(
        folder=str(plan.bursts),
        strip_top=plan.strips[0],
        strip_bottom=plan.strips[1],
        utc_offset_h=0.0 if offset is None else offset.total_seconds() / 3600,
        zone=str(plan.zone) if offset is None else "",
    )
    return TrapSettings(
        trap=TRAP,
        bundle=str(plan.bundle),
        state=str(plan.out / STATE),
        camera=camera,
        broker=BrokerSettings(host=host, port=port),
    )


def _await_receipts(runtime: Runtime, replay: Replay, wait_s: float, watch: Watch) -> None:
    positive = [one.record.id for one in replay.observations if one.record is not None and one.record.positive]
    deadline = time.monotonic() + wait_s
    while True:
        done = sum(runtime.outbox.queries.is_delivered(name) for name in positive)
        replay.delivered = {name: runtime.outbox.queries.frames_delivered(name) for name in positive}
        watch("delivered", done, len(positive))
        if done == len(positive) or time.monotonic() > deadline:
            return
        time.sleep(0.05)
