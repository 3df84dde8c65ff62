"""Rendered JPEGs of a scene, and a trap without a model around a watched folder, for the tests of faults."""

import io
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, ImageFilter

from support.fixed_scores import Told
from uncia_contract.bursts.frames import BurstRule
from uncia_contract.messages.records import BundleIdentity
from uncia_edge.camera.cameras import ArrivedBurst
from uncia_edge.camera.recorded import recorded_burst
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.clock import Reading
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observation, Observer

SIZE = (640, 480)
START = datetime(2026, 5, 1, 4, 0, tzinfo=UTC)
BUNDLE = BundleIdentity("told", 1, "0" * 64)


def slope(seed: int = 5) -> Image.Image:
    """A hillside: rocks of all sizes, the same for one seed."""
    chance = np.random.default_rng(seed)
    scene = np.zeros((SIZE[1], SIZE[0]), np.float32)
    for cells, weight in ((6, 60), (24, 40), (96, 25)):
        patch = chance.uniform(-1, 1, (cells, cells)).astype(np.float32)
        scene += weight * np.asarray(Image.fromarray(patch).resize(SIZE, Image.Resampling.BICUBIC))
    grey = np.clip(scene + 120, 0, 255).astype(np.uint8)
    return Image.merge("RGB", [Image.fromarray(grey), Image.fromarray(grey // 2 + 60), Image.fromarray(grey // 2 + 30)])


def with_animal(scene: Image.Image, across: float, size: float = 0.2) -> Image.Image:
    """The scene with a dark, soft-edged animal in its middle height."""
    mask, width = Image.new("L", scene.size, 0), int(scene.width * size)
    left, top = int(across * (scene.width - width)), scene.height // 2
    mask.paste(255, (left, top, left + width, top + width // 2))
    dark = Image.new("RGB", scene.size, (25, 22, 20))
    return Image.composite(dark, scene, mask.filter(ImageFilter.GaussianBlur(3)))


def jpeg(image: Image.Image | None = None, taken: str | datetime = "", **options: object) -> bytes:
    """The picture as JPEG bytes, with an EXIF time if `taken` is given."""
    exif = Image.Exif()
    if taken:
        text = taken if isinstance(taken, str) else f"{taken:%Y:%m:%d %H:%M:%S}"
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal] = text
    out = io.BytesIO()
    (image or slope()).save(out, "JPEG", exif=exif, **{"quality": 85, **options})
    return out.getvalue()


def burst_of(folder: Path, contents: Sequence[bytes]) -> ArrivedBurst:
    """Write these bytes as the files of one recorded burst."""
    folder.mkdir(parents=True, exist_ok=True)
    files = [folder / f"IMG_{n:04d}.JPG" for n in range(len(contents))]
    for path, content in zip(files, contents, strict=True):
        path.write_bytes(content)
    return recorded_burst(folder.name, files)


def reading(seconds: float = 100.0, boot: str = "boot-1", synchronised: bool = True) -> Reading:
    """The trap's clocks."""
    return Reading(START + timedelta(seconds=seconds), seconds, boot, synchronised)


class WatchedTrap:
    """A trap around a watched folder, with a real outbox."""

    def __init__(self, folder: Path, *scores: float, clock: Callable[[], Reading] = reading) -> None:
        self.folder, self.state = folder / "DCIM", folder / "state"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.outbox = Outbox(self.state / "outbox")
        self.classifier = Told(*scores)
        self.trap = Observer("ridge-01", self.classifier, BUNDLE, self.outbox, clock)
        self.now_s = 0.0

    def put(self, name: str, content: bytes) -> Path:
        """Write a file below the watched folder."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return path

    def camera(self) -> WatchedCamera:
        """A camera on the folder that polls, with a clock that advances at each reading."""
        self.watched = WatchedCamera(
            *(self.folder, self.state / "watched.jsonl", BurstRule(), self.outbox.queries.has_taken),
            watch=WatchSettings("polling", settle_s=0.0, quiet_s=1.0),
            clock=self._clock,
        )
        self.watched._watcher._listen = lambda timeout_s: {}  # type: ignore[method-assign]
        return self.watched

    def _clock(self) -> float:
        self.now_s += 0.25
        return self.now_s

    def observe(self, most: int = 50) -> list[Observation]:
        """Observe everything in the folder as the runtime does; bursts that the card refused come again."""
        seen: list[Observation] = []
        camera = self.camera()
        for burst in camera.bursts():
            seen.append(self.trap.observe(burst))
            camera.decided(seen[-1].contents, seen[-1].unreadable)
            if not seen[-1].safe:
                camera.retry_later(seen[-1].unreadable)
            if len(seen) >= most or self._all_done(seen):
                camera.close()
        return seen

    def _all_done(self, seen: list[Observation]) -> bool:
        files = {path for path in self.folder.rglob("*") if path.is_file()}
        done = {frame.path for one in seen if one.safe for frame in one.burst.frames}
        return seen[-1].safe and files <= done | {failure.file for one in seen if one.safe for failure in one.failures}
