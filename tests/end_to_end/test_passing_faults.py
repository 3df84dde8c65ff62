"""Pictures of a leopard that cannot be read for a while reach the base station completely; with all real parts."""

import hashlib
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.conftest import Mosquitto
from tests.end_to_end.conftest import MODELS

from support.root_rights import obeying_rights
from uncia_collector.catalogue.listing import listing
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings as CollectorBroker
from uncia_collector.settings import CollectorSettings
from uncia_contract.messages.records import SequenceRecord
from uncia_edge.camera import unreadable_files
from uncia_edge.camera.cameras import LiveCamera
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings
from uncia_simulation import scenes

DEMO = MODELS / "rendered-demo-1.uncia"
UNREAD = "cannot be read"


@pytest.fixture(scope="module")
def leopard(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Six frames of a rendered snow leopard by day."""
    folder = tmp_path_factory.mktemp("leopard")
    return list(scenes._render(scenes._demonstration_scenes(7)[0], folder, [7, 0], 31).frames)


class Post:
    """A trap on a watched folder, and its base station."""

    def __init__(self, folder: Path, broker: Mosquitto) -> None:
        self.folder, self.data, self.records = folder / "DCIM", folder / "data", list[SequenceRecord]()
        self.folder.mkdir()
        self.settings = TrapSettings(
            trap="ridge-1",
            bundle=str(DEMO),
            state=str(folder / "state"),
            camera=CameraSettings(kind="watched", folder=str(self.folder), watch="polling", settle_s=0.1, quiet_s=2.0),
            broker=BrokerSettings(port=broker.port),
        )
        self.collector = Collector(
            CollectorSettings(data=str(self.data), broker=CollectorBroker(port=broker.port), http=None)
        )
        self.collector.start()
        self.collector.wait_ready()

    @contextmanager
    def watching(self) -> Iterator[Runtime]:
        """Run the trap without root's rights, so that file permissions apply to it."""
        with obeying_rights(), Runtime(self.settings) as trap:
            running = threading.Thread(
                target=trap.run, args=(lambda one: one.safe and one.record and self.records.append(one.record),)
            )
            running.start()
            try:
                yield trap
                assert trap.wait_delivered(60)
            finally:
                trap.stop()
                running.join(30)

    def put(self, frames: list[Path], closed: int | None = None) -> list[Path]:
        """Write frames as a camera does; the `closed` one cannot be read."""
        for number, frame in enumerate(frames):
            beside = Path(shutil.copyfile(frame, self.folder.with_name(frame.name)))
            beside.chmod(0 if number == closed else 0o644)
            beside.rename(self.folder / frame.name)
        return [self.folder / frame.name for frame in frames]

    def stored(self) -> list[list[str]]:
        """For each sequence in the catalogue the sha256 of its frames' bytes."""
        rows = list(listing(self.collector.database))
        return [
            [hashlib.sha256((self.data / one["path"]).read_bytes()).hexdigest() for one in row["files"]] for row in rows
        ]


@pytest.fixture
def post(tmp_path: Path, mosquitto: Mosquitto) -> Iterator[Post]:
    post = Post(tmp_path, mosquitto)
    yield post
    post.collector.stop()


def wait(condition: Callable[[], object], within_s: float = 60.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.02)


def says(trap: Runtime, problem: str) -> bool:
    """Whether the state at the base station names the problem."""
    assert isinstance(trap.camera, LiveCamera)
    return any(problem in one for one in trap.camera.problems)


def arrived(trap: Runtime) -> int:
    """How many frames are in bursts that have not ended."""
    return len(trap.camera._camera._assembler)  # type: ignore[attr-defined]


def hashes(frames: list[Path]) -> list[str]:
    return [hashlib.sha256(frame.read_bytes()).hexdigest() for frame in frames]


@pytest.mark.parametrize("at", ["arrival", "scoring"])
def test_a_frame_whose_rights_are_taken_for_a_while_is_scored_with_its_burst(
    post: Post, leopard: list[Path], at: str
) -> None:
    """`chmod 000` before the trap reads it, or between that and the end of its burst."""
    with post.watching() as trap:
        paths = post.put(leopard, closed=3 if at == "arrival" else None)
        if at == "scoring":
            wait(lambda: arrived(trap) == len(paths))
            paths[3].chmod(0)
        wait(lambda: says(trap, UNREAD))
        paths[3].chmod(0o644)
        wait(lambda: post.records)
    assert post.stored() == [hashes(leopard)]
    [record] = post.records
    assert (record.frames_scored, record.failures, record.frames[3].score is None) == (6, (), False)


def test_a_share_that_is_away_for_a_while_keeps_its_burst(post: Post, leopard: list[Path]) -> None:
    """The folder is gone between arrival and scoring, and comes back."""
    with post.watching() as trap:
        post.put(leopard)
        wait(lambda: arrived(trap) == len(leopard))
        away = post.folder.rename(post.folder.with_name("away"))
        wait(lambda: says(trap, "no camera"))
        wait(lambda: says(trap, UNREAD))
        away.rename(post.folder)
        wait(lambda: post.records)
    assert post.stored() == [hashes(leopard)]


def test_a_frame_that_can_be_read_after_a_restart_is_of_its_bursts_event(
    post: Post, leopard: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its burst was scored without it; it becomes a sequence of its own in the same event, and no frame comes twice."""
    monkeypatch.setattr(unreadable_files, "WAIT_S", 1.0)
    with post.watching():
        path = post.put(leopard, closed=3)[3]
        wait(lambda: post.records)
    path.chmod(0o644)
    with post.watching():
        wait(lambda: len(post.records) == 2)
    first, second = post.records
    assert post.stored() == [hashes([*leopard[:3], *leopard[4:]]), hashes([leopard[3]])]
    assert (first.failures, second.event) == ((leopard[3].name,), first.id)
