"""How well the region rules find the animal, measured with snow leopards composited into real infrared bursts.

Wild infrared bursts of small, dark cats cannot be published, so this makes difficult ones. Cat shapes, filled with the
grey fur of real portraits, have 5 to 25 % of the frame's height and 8 to 40 grey levels of contrast. They walk in from
the edge through real trap backgrounds (with their own ripples and JPEG artefacts, and added noise, grass, snow and
flicker).

    python benchmarks/regions_study.py --data ../shared/data [--bursts 240] [--sheet sheet.png]

Prints for each rule:
- `hit`: the region has at least 70 % of the visible cat.
- `tight`: a hit that is at most twice as wide as the cat or 0.3 of the frame's height.
- `whole`: the whole frame is scored.
- `astray`: the region has less than 30 % of the cat.
- `fill`: how much of a hit's region the cat fills (median).
- `false`: frames of empty bursts with a region.
Random numbers are seeded. Pictures are kept only in the sheet.
"""

import argparse
import functools
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from uncia_contract.bursts.regions import RegionChoice, RegionRule, regions, thumbnail
from uncia_contract.pictures.jpeg import pixel_box

Finder = Callable[[list[np.ndarray]], list[RegionChoice]]
STILL = (
    "1200",
    "12737",
    "28222",
    "34460",
    "40156",
    "49305",
    "51395",
)  # Wellington bursts where nothing is seen to move
SWAY = {"grass": 0.6, "gale": 1.5}
BOX_OF_ALL = {"noise_sds": 0.0, "doubt": 0.0, "min_share": 2.0, "upheaval": 1.0}
WAYS = {
    "box of all changes, 12 grey levels": RegionRule(min_change=12, scale=1.4, min_side=0.25, **BOX_OF_ALL),
    "... 8 grey levels": RegionRule(scale=1.4, min_side=0.25, **BOX_OF_ALL),
    "strongest patch": RegionRule(scale=1.4, min_side=0.25, noise_sds=0.0, doubt=0.0, min_share=0.0),
    "... + noise floor": RegionRule(scale=1.4, min_side=0.25, doubt=0.0, min_share=0.0),
    "... + doubt": RegionRule(scale=1.4, min_side=0.25, min_share=0.0),
    "... + box of all where scattered": RegionRule(scale=1.4, min_side=0.25),
    "... closer: the default rule": RegionRule(),
}


@dataclass
class Scene:
    """A burst, and the cat's visible box in each frame (left, top, right, bottom), or None."""

    name: str
    frames: list[Image.Image]
    boxes: list[tuple[int, int, int, int] | None]
    thumbnails: list[np.ndarray] = field(default_factory=list)


# Backgrounds: lists of float grey frames without an animal, with the camera's own changes from frame to frame.


def heron_backgrounds(data: Path) -> list[list[np.ndarray]]:
    """The heron's ten frames with the heron covered by water of the same frame; whole, and a part of them."""
    files = sorted((data / "bursts/mica_heron").rglob("*.jpg"))
    frames = [np.asarray(Image.open(f).convert("L").resize((1024, 720), Image.Resampling.BOX), float) for f in files]
    for frame in frames:
        frame[380:660, 360:715] = frame[380:660, 0:355]
    bank = [frame[30:510, 300:1000] for frame in frames]
    bank = [
        np.asarray(Image.fromarray(f.astype(np.uint8)).resize((1024, 702), Image.Resampling.BICUBIC), float)
        for f in bank
    ]
    return [frames, bank]


def wellington_backgrounds(data: Path, names: tuple[str, ...]) -> list[list[np.ndarray]]:
    """Wellington bursts without visible motion, cut to 4:3."""
    found = []
    for name in names:
        files = sorted((data / "bursts/wellington" / name).glob("*.jpg"))
        images = [Image.open(f).convert("L").resize((448, 336), Image.Resampling.BICUBIC) for f in files]
        found.append([np.asarray(image, float) for image in images])
    return found


def lengthened(frames: list[np.ndarray], count: int, rng: np.random.Generator) -> list[np.ndarray]:
    """That many frames: a part of the burst, or frames drawn from it at random."""
    if count <= len(frames):
        start = rng.integers(0, len(frames) - count + 1)
        return [frame.copy() for frame in frames[start : start + count]]
    order = list(range(len(frames))) + list(rng.integers(0, len(frames), count - len(frames)))
    return [frames[n].copy() for n in order]


def grass(frames: list[np.ndarray], rng: np.random.Generator, strength: float) -> None:
    """Swaying grass: in each frame, patches are moved sideways a little."""
    height, width = frames[0].shape
    for _ in range(rng.integers(3, 9)):
        side = int(rng.uniform(0.06, 0.2) * height)
        x, y = rng.integers(0, width - side), rng.integers(int(0.1 * height), int(0.9 * height) - side)
        for frame in frames:
            bend = np.rint(np.linspace(1, 0, side) * rng.normal(0, strength * height / 100)).astype(int)
            patch = frame[y : y + side, x : x + side].copy()
            for row in range(side):
                frame[y + row, x : x + side] = np.roll(patch[row], bend[row])


def snow(frames: list[np.ndarray], rng: np.random.Generator) -> None:
    """Falling snow in the flash: bright soft discs of many sizes."""
    height, width = frames[0].shape
    for frame in frames:
        layer = Image.new("L", (width, height))
        draw = ImageDraw.Draw(layer)
        for _ in range(rng.integers(40, 120)):
            x, y, r = rng.uniform(0, width), rng.uniform(0, height), rng.exponential(0.004) * height + 1
            draw.ellipse((x - r, y - r, x + r, y + r), fill=int(rng.uniform(40, 160)))
        np.add(frame, np.asarray(layer.filter(ImageFilter.GaussianBlur(1.5)), float), out=frame)


# Cats


def silhouette(height: int, step: int) -> Image.Image:
    """A walking cat from the side, facing right: an L mask, 1.9 times as wide as high; `step` sets the legs."""
    tall = 160
    mask = Image.new("L", (int(tall * 1.9), tall))
    draw = ImageDraw.Draw(mask)
    draw.ellipse((78, 30, 236, 108), fill=255)
    draw.ellipse((214, 14, 282, 76), fill=255)
    draw.line([(90, 66), (50, 96), (24, 120), (4, 112)], fill=255, width=18)
    swing = 18 * np.sin(step * 1.9)
    for hip, sign in ((104, 1), (126, -1), (196, 1), (216, -1)):
        draw.line([(hip, 86), (hip + sign * swing, 156)], fill=255, width=19)
    return mask.resize((max(4, int(height * 1.9)), max(3, height)), Image.Resampling.BOX).filter(
        ImageFilter.GaussianBlur(max(0.7, height / 90))
    )


def paste_cat(frame: np.ndarray, fur: np.ndarray, x: int, y: int, height: int, contrast: float, step: int, left: bool):
    """Blend a cat into the frame at (x, y); return its visible box, None if less than 30 % of it is visible."""
    shape = silhouette(height, step)
    if left:
        shape = shape.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    alpha = np.asarray(shape, float) / 255
    tall, wide = alpha.shape
    x0, x1 = max(x, 0), min(x + wide, frame.shape[1])
    if x1 - x0 < 0.3 * wide:
        return None
    texture = np.asarray(Image.fromarray(fur).resize((wide, tall), Image.Resampling.BOX), float)
    texture = (texture - texture.mean()) * min(1.0, abs(contrast) / 25)
    seen = frame[y : y + tall, x0:x1]
    level = np.average(seen, weights=alpha[:, x0 - x : x1 - x] + 1e-6)
    body = level + contrast + texture[:, x0 - x : x1 - x] + 0.25 * (seen - level)
    cover = alpha[:, x0 - x : x1 - x]
    frame[y : y + tall, x0:x1] = seen * (1 - cover) + body * cover
    return (x0, y, x1, y + tall)


@dataclass(frozen=True)
class Walk:
    """How a cat walks through a burst."""

    height: int
    contrast: float
    stride: float  # body lengths a frame
    left: bool
    start: int
    row: int
    pause: float  # probability of standing still for a frame


def walked(frames: list[np.ndarray], fur: np.ndarray, walk: Walk, rng: np.random.Generator):
    """Let the cat walk through the frames; return its visible boxes."""
    x, boxes = float(walk.start), []
    for n, frame in enumerate(frames):
        boxes.append(paste_cat(frame, fur, int(x), walk.row, walk.height, walk.contrast, n, walk.left))
        if rng.random() > walk.pause:
            x += (-1 if walk.left else 1) * walk.stride * walk.height * 1.9 * rng.uniform(0.6, 1.4)
    return boxes


def a_walk(shape: tuple[int, int], rng: np.random.Generator, level: float) -> Walk:
    """A cat of random size, contrast, direction and pace, that enters at the edge or is first seen within the frame."""
    tall, wide = shape
    height = int(rng.uniform(0.05, 0.25) * tall)
    left = bool(rng.random() < 0.5)
    length = height * 1.9
    inward = rng.uniform(-0.6, 0.3) * length if rng.random() < 0.6 else rng.uniform(0, wide - length)
    contrast = rng.uniform(8, 40) * (-1 if level > 60 or rng.random() < 0.3 else 1)
    row = int(rng.uniform(0.07 * tall, 0.9 * tall - height))
    start = int(wide - length - inward) if left else int(inward)
    return Walk(height, contrast, rng.choice([0.15, 0.4, 0.8, 1.3]), left, start, row, rng.choice([0.0, 0.3]))


def developed(frames: list[np.ndarray], rng: np.random.Generator) -> list[Image.Image]:
    """The frames as a camera stores them: flicker of exposure, sensor noise, burnt-in strips, JPEG."""
    noise, quality = rng.uniform(1, 7), int(rng.integers(45, 90))
    images = []
    for n, frame in enumerate(frames):
        grey = frame * rng.normal(1, 0.02) + rng.normal(0, 2) + rng.normal(0, noise, frame.shape)
        image = Image.fromarray(grey.clip(0, 255).astype(np.uint8))
        ImageDraw.Draw(image).rectangle((0, 0, image.width, int(0.024 * image.height)), fill=0)
        ImageDraw.Draw(image).text((10 + 3 * n, 1), f"2026-11-23 2:4{n}:{7 * n % 60}  {n}/10", fill=255)
        stored = io.BytesIO()
        image.save(stored, "JPEG", quality=quality)
        images.append(Image.open(stored))
    return images


def grounds_of(data: Path) -> list[tuple[str, list[np.ndarray]]]:
    """Backgrounds by name; the night scene at the water has the same weight as all others together."""
    heron, bank = heron_backgrounds(data)
    still = [(name, wellington_backgrounds(data, (name,))[0]) for name in STILL]
    return [("heron", heron), ("bank", bank)] * 4 + still


def scenes(data: Path, count: int, seed: int = 1, empty: bool = False) -> Iterator[Scene]:
    """Yield that many bursts of three to ten frames, with a cat or empty."""
    rng = np.random.default_rng(seed)
    furs = sorted((data / "stills/kaggle10/snow_leopard").glob("*.jpg"))
    grounds = grounds_of(data)
    for n in range(count):
        name, ground = grounds[n % len(grounds)]
        frames = lengthened(ground, int(rng.choice([3, 3, 4, 5, 10])), rng)
        if rng.random() < 0.5:
            frames = [np.fliplr(frame).copy() for frame in frames]
        weather = str(rng.choice(["calm", "calm", "grass", "gale", "snow"]))
        if weather in SWAY:
            grass(frames, rng, SWAY[weather])
        boxes: list[tuple[int, int, int, int] | None] = [None] * len(frames)
        if not empty:
            fur = np.asarray(Image.open(furs[rng.integers(len(furs))]).convert("L"))[40:184, 40:184]
            boxes = walked(frames, fur, a_walk(frames[0].shape, rng, float(frames[0].mean())), rng)
        if weather == "snow":
            snow(frames, rng)
        images = developed(frames, rng)
        yield Scene(
            f"{name}-{weather}-{len(frames)}", images, boxes, [thumbnail(image, RegionRule()) for image in images]
        )


# Measuring


def coverage(choice: RegionChoice, box: tuple[int, int, int, int], size: tuple[int, int]) -> tuple[float, float]:
    """The share of the cat's box inside the region, and the share of the region that the box fills."""
    left, top, right, bottom = pixel_box(choice.region, size)
    area = (box[2] - box[0]) * (box[3] - box[1])
    common = max(0, min(right, box[2]) - max(left, box[0])) * max(0, min(bottom, box[3]) - max(top, box[1]))
    return common / area, common / ((right - left) * (bottom - top))


@dataclass
class Tally:
    """The counts of one finder."""

    hits: int = 0
    astray: int = 0
    whole: int = 0
    fills: list[float] = field(default_factory=list)
    seconds: float = 0.0
    frames: int = 0
    empties: int = 0
    false: int = 0
    tight: int = 0

    def count(self, scene: Scene, choices: list[RegionChoice]) -> None:
        """Add one burst."""
        for choice, box in zip(choices, scene.boxes, strict=True):
            if box is None:
                continue
            self.frames += 1
            if choice.region is None:
                self.whole += 1
                continue
            held, fill = coverage(choice, box, scene.frames[0].size)
            self.hits += held >= 0.7
            self.astray += held < 0.3
            side = choice.region.height * scene.frames[0].height
            longest = max(box[2] - box[0], box[3] - box[1])
            self.tight += held >= 0.7 and side <= max(2 * longest, 0.3 * scene.frames[0].height)
            if held >= 0.7:
                self.fills.append(fill)

    def row(self, name: str) -> str:
        """One line of the table."""
        n = max(self.frames, 1)
        fills = np.array(self.fills or [0])
        shares = {"hit": self.hits, "tight": self.tight, "whole": self.whole, "astray": self.astray}
        parts = [f"{word} {count / n:.3f}" for word, count in shares.items()]
        parts += [f"fill {np.median(fills):.3f}", f"false {self.false / max(self.empties, 1):.3f}"]
        return "  ".join([f"{name:36s}", *parts, f"ms {1000 * self.seconds / max(self.frames + self.empties, 1):.1f}"])


def measure(finder: Finder, cats: list[Scene], empties: list[Scene]) -> Tally:
    """Run one finder on all bursts; return its counts."""
    tally = Tally()
    for number, scene in enumerate(cats + empties):
        began = time.perf_counter()
        choices = finder(scene.thumbnails)
        tally.seconds += time.perf_counter() - began
        if number >= len(cats):
            tally.empties += len(choices)
            tally.false += sum(choice.region is not None for choice in choices)
        else:
            tally.count(scene, choices)
    return tally


def finder(rule: RegionRule) -> Finder:
    """A function that finds regions by that rule."""
    return functools.partial(_found, rule=rule)


def _found(thumbnails: list[np.ndarray], rule: RegionRule) -> list[RegionChoice]:
    return regions(thumbnails, rule)


def sheet(chosen: list[Scene], path: Path, width: int = 280) -> None:
    """A contact sheet of up to five frames a burst: the cat's box green, the region red."""
    high = width * 3 // 4
    page = Image.new("RGB", (width * 5, (high + 12) * len(chosen)))
    for row, scene in enumerate(chosen):
        choices = regions(scene.thumbnails, RegionRule())
        for n, (frame, box, choice) in enumerate(zip(scene.frames[:5], scene.boxes, choices, strict=False)):
            image = frame.convert("RGB")
            draw = ImageDraw.Draw(image)
            if box:
                draw.rectangle(box, outline=(0, 255, 0), width=max(1, image.width // width))
            if choice.region:
                corners = pixel_box(choice.region, image.size)
                draw.rectangle(corners, outline=(255, 60, 60), width=max(1, image.width // width))
            page.paste(image.resize((width, high)), (n * width, row * (high + 12) + 12))
            ImageDraw.Draw(page).text((n * width + 2, row * (high + 12)), f"{scene.name} {choice.reason}", fill=255)
    page.save(path)


def main() -> None:
    """Measure, print, and draw the sheet if asked."""
    parser = argparse.ArgumentParser(description="How well bursts find their animals.")
    parser.add_argument("--data", type=Path, required=True, help="the folder with bursts/ and stills/")
    parser.add_argument("--bursts", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--sheet", type=Path, help="write a contact sheet of the first bursts")
    arguments = parser.parse_args()
    cats = list(scenes(arguments.data, arguments.bursts, arguments.seed))
    empties = list(scenes(arguments.data, arguments.bursts // 3, arguments.seed + 1, empty=True))
    for name, rule in WAYS.items():
        print(measure(finder(rule), cats, empties).row(name), flush=True)
    for part in ("calm", "grass", "gale", "snow", "-3", "-10"):
        some, none = [s for s in cats if part in s.name], [s for s in empties if part in s.name]
        print(measure(finder(RegionRule()), some, none).row(f"default rule: {part}"))
    if arguments.sheet:
        sheet(cats[:16], arguments.sheet)


if __name__ == "__main__":
    main()
