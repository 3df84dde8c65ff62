"""A camera that is not there when its trap starts."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from uncia_contract.errors import ConfigurationError
from uncia_edge.camera import cameras
from uncia_edge.camera.cameras import ArrivedBurst, CameraAbsentError, LiveCamera, WaitingCamera

BURST = ArrivedBurst("b1", ())


class Late:
    """A live camera that can be opened at the third attempt."""

    def __init__(self) -> None:
        self.looks, self.refused, self.closed = 0, 0, False

    def __call__(self) -> LiveCamera:
        self.looks += 1
        if self.looks < 3:
            raise CameraAbsentError(f"look {self.looks}: no camera answers")
        return self

    @property
    def problems(self) -> Sequence[str]:
        return ["its lens is dirty"]

    def bursts(self) -> Iterator[ArrivedBurst]:
        yield BURST

    def retry_later(self, unreadable: Collection[Path] = ()) -> None:
        self.refused += 1

    def decided(self, contents: Mapping[Path, str], unreadable: Collection[Path]) -> None:
        self.read = contents

    def close(self) -> None:
        self.closed = True


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """No pause between attempts."""
    monkeypatch.setattr(cameras, "RETRY_S", 0)


def test_a_camera_that_comes_later_is_waited_for(quick: None) -> None:
    """Then its bursts are passed on, and so are calls of `retry_later`, `decided` and `close`."""
    late = Late()
    camera = WaitingCamera(late)
    assert isinstance(camera, LiveCamera)
    assert camera.problems == ["no camera: look 1: no camera answers"]
    bursts = camera.bursts()
    assert next(bursts) == BURST
    camera.retry_later()
    camera.decided({Path("A.JPG"): "sha"}, ())
    assert late.read == {Path("A.JPG"): "sha"}
    camera.close()
    assert (late.looks, late.refused, late.closed, camera.problems) == (3, 1, True, ["its lens is dirty"])


def test_waiting_gives_heartbeats_and_ends_on_close(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without heartbeats the watchdog would restart the trap, and it would wait again."""
    beats: list[int] = []

    def beat() -> None:
        beats.append(1)
        if len(beats) == 2:
            camera.close()

    def never() -> LiveCamera:
        raise CameraAbsentError("no camera")

    monkeypatch.setattr(cameras, "RETRY_S", 5)
    camera = WaitingCamera(never, beat)
    assert (list(camera.bursts()), len(beats)) == ([], 2)


def test_an_error_that_waiting_cannot_mend_is_raised(tmp_path: Path) -> None:
    """A library that is not installed."""

    def broken() -> LiveCamera:
        raise ConfigurationError("picamera2 is not installed")

    attempt: Callable[[], object] = lambda: WaitingCamera(broken)  # noqa: E731
    with pytest.raises(ConfigurationError):
        attempt()
