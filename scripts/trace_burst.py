"""Print the route of one burst through the trap's code, from the watched folder to its receipt: `trace_burst.py`.

A real trap with a watched folder, a real broker and a real collector run on this machine, and six frames of the
demonstration's snow leopard are moved into the folder. The script prints the modules of `uncia_edge` and
`uncia_contract` in the order in which the burst first enters them, by sub-package, and how often execution changes from
one module to another.

A change is a call of a function in another module than the thread's previous call. What the trap does without a burst
is left out. For this, each thread is cut into rounds: a round is one call by a function that runs from before the burst
until after its receipt (a loop). A round counts only if the trap made no round with the same calls before the burst.
"""

import argparse
import json
import shutil
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
TRACED = ("uncia_contract", "uncia_edge")
REST_S, PATIENCE_S = 4.0, 60.0
FRAMES = 6

Call = tuple[str, str]  # module, function


@dataclass
class Round:
    """The calls made within one call by a function that runs all the time (a loop), in order."""

    began: int
    calls: list[Call] = field(default_factory=list)


@dataclass
class ThreadTrace:
    """Open stack frames and finished rounds of one thread."""

    depth: int = 0
    standing: int = 0  # how many stack frames were open when recording began
    current: Round | None = None
    rounds: list[Round] = field(default_factory=list)


class Tracer:
    """Records calls of traced functions, by thread, in two parts: `rest` (no burst) and `burst`."""

    def __init__(self) -> None:
        """Start empty; nothing is recorded before `begin`."""
        self._names: dict[CodeType, Call | None] = {}
        self._local = threading.local()
        self.threads: dict[str, ThreadTrace] = {}
        self._part: str | None = None
        self._counter = 0
        self.parts: dict[str, list[Round]] = defaultdict(list)

    def install(self) -> None:
        """Trace this thread and threads that start later."""
        threading.setprofile(self._event)
        sys.setprofile(self._event)

    def begin(self, part: str) -> None:
        """Record into this part from now on."""
        self._part = part

    def end(self) -> None:
        """Stop tracing and close open rounds."""
        self._part = None
        threading.setprofile(None)
        sys.setprofile(None)
        for trace in self.threads.values():
            if trace.current is not None:
                self.parts["burst"].append(trace.current)
                trace.current = None

    def _event(self, frame: FrameType, event: str, _argument: Any) -> None:
        if event not in ("call", "return"):
            return
        code = frame.f_code
        if code not in self._names:
            self._names[code] = _named(code)
        call = self._names[code]
        if call is None:
            return
        trace = self._trace()
        if event == "return":
            self._returned(trace)
        else:
            self._called(trace, call)

    def _trace(self) -> ThreadTrace:
        if not hasattr(self._local, "trace"):
            self._local.trace = ThreadTrace()
            self.threads[f"{threading.current_thread().name} {len(self.threads)}"] = self._local.trace
        trace: ThreadTrace = self._local.trace
        return trace

    def _called(self, trace: ThreadTrace, call: Call) -> None:
        if self._part is not None:
            if trace.current is None:
                trace.standing = trace.depth
                self._counter += 1
                trace.current = Round(self._counter)
            trace.current.calls.append(call)
        trace.depth += 1

    def _returned(self, trace: ThreadTrace) -> None:
        trace.depth -= 1
        if trace.current is not None and trace.depth <= trace.standing:
            self.parts[self._part or "burst"].append(trace.current)
            trace.current = None


def _named(code: CodeType) -> Call | None:
    parts = Path(code.co_filename).parts
    for package in TRACED:
        if package in parts:
            return ".".join(parts[parts.index(package) :]).removesuffix(".py"), code.co_name
    return None


def of_the_burst(tracer: Tracer) -> list[Round]:
    """The rounds that did not occur before the burst, in the order in which they began."""
    at_rest = {tuple(one.calls) for one in tracer.parts["rest"]}
    return sorted((one for one in tracer.parts["burst"] if tuple(one.calls) not in at_rest), key=lambda one: one.began)


def changes(rounds: list[Round]) -> int:
    """How often execution changes from one module to another within the rounds."""
    return sum(before[0] != after[0] for one in rounds for before, after in pairwise(one.calls))


def route(rounds: list[Round]) -> list[str]:
    """The modules, in the order in which they are first entered."""
    return list(dict.fromkeys(module for one in rounds for module, _ in one.calls))


def print_route(modules: list[str]) -> None:
    """Print a line for each run of modules of one sub-package."""
    before = ""
    for module in modules:
        place, _, name = module.rpartition(".")
        print(f" {name}" if place == before else f"{chr(10) if before else ''}{place}: {name}", end="")
        before = place
    print()


def _burst(folder: Path) -> Iterator[Path]:
    """Render the demonstration's snow leopard by day; yield the paths of six frames."""
    from uncia_simulation.scenes import render_bursts

    day = next(burst for burst in render_bursts(folder) if burst.folder.name == "01-day-snow-leopard")
    yield from sorted(day.folder.glob("*.jpg"))[:FRAMES]


def trace(folder: Path) -> Tracer:
    """Run trap, broker and collector; return the trace of one burst, until its receipt."""
    from uncia_collector.runtime import Collector
    from uncia_collector.settings import BrokerSettings as CollectorBroker
    from uncia_collector.settings import CollectorSettings
    from uncia_edge.service.runtime import Runtime
    from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings
    from uncia_simulation.broker import EmbeddedBroker

    pictures, watched = list(_burst(folder / "scenes")), folder / "watched"
    watched.mkdir()
    tracer, delivered = Tracer(), threading.Event()
    with ExitStack() as stack:
        broker = stack.enter_context(EmbeddedBroker(folder / "broker"))
        address = {"host": broker.host, "port": broker.port}
        collector = Collector(
            CollectorSettings(data=str(folder / "data"), broker=CollectorBroker(**address), http=None)
        )
        collector.start()
        stack.callback(collector.stop)
        collector.wait_ready()
        settings = TrapSettings(
            trap="ridge-01",
            bundle=str(ROOT / "models" / "rendered-demo-1.uncia"),
            state=str(folder / "state"),
            camera=CameraSettings(kind="watched", folder=str(watched), quiet_s=1.0),
            broker=BrokerSettings(**address),
        )
        tracer.install()
        runtime = stack.enter_context(Runtime(settings, on_delivered=lambda _: delivered.set()))
        watching = threading.Thread(target=runtime.run, name="observing")
        watching.start()
        time.sleep(REST_S)  # by then the trap has connected and published its state
        tracer.begin("rest")
        time.sleep(REST_S)
        tracer.begin("burst")
        for picture in pictures:
            shutil.move(picture, watched / picture.name)
        arrived = delivered.wait(PATIENCE_S)
        tracer.end()
        runtime.stop()
        watching.join()
    if not arrived:
        sys.exit(f"trace_burst: no receipt within {PATIENCE_S:g} s")
    return tracer


def main() -> None:
    """Trace one burst and print its route."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="modules in order and the number of changes, as JSON")
    parser.add_argument(
        "--pairs", action="store_true", help="also the most frequent changes, from which module to which"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="uncia-trace-") as folder:
        rounds = of_the_burst(trace(Path(folder)))
    modules = route(rounds)
    if arguments.json:
        print(json.dumps({"modules": modules, "changes": changes(rounds)}, indent=1))
        return
    print_route(modules)
    print(f"\n{len(modules)} modules, {changes(rounds)} changes of module")
    if arguments.pairs:
        counts: dict[tuple[str, str], int] = defaultdict(int)
        for one in rounds:
            for before, after in pairwise(one.calls):
                counts[before[0], after[0]] += before[0] != after[0]
        for (before, after), count in sorted(counts.items(), key=lambda item: -item[1])[:40]:
            print(f"{count:5d}  {before} -> {after}")


if __name__ == "__main__":
    main()
