"""Draw docs/demo.png: frames of the two rendered snow leopard bursts, with the region that is scored in each.

Usage: python scripts/draw_demo.py docs/demo.png
"""

import sys
import tempfile
from pathlib import Path

from PIL import Image, ImageDraw

from uncia_contract.bursts.regions import RegionRule, regions, thumbnail
from uncia_contract.pictures.jpeg import open_jpeg, pixel_box
from uncia_simulation.scenes import render_bursts

TILE = (256, 192)
GAP = 4
SHOWN = ((0, 2, 4, 5), (0, 4, 7, 9))  # frames of the day burst, of the night burst
ORANGE = (255, 140, 0)


def main() -> None:
    """Render the bursts, find the regions, draw them and write the picture."""
    with tempfile.TemporaryDirectory() as folder:
        day, night = render_bursts(Path(folder))[:2]
        rows = [tiles(burst.frames, shown) for burst, shown in zip((day, night), SHOWN, strict=True)]
    sheet = Image.new("RGB", (4 * TILE[0] + 3 * GAP, 2 * TILE[1] + GAP), "white")
    for down, row in enumerate(rows):
        for across, tile in enumerate(row):
            sheet.paste(tile, (across * (TILE[0] + GAP), down * (TILE[1] + GAP)))
    sheet.quantize(80, dither=Image.Dither.NONE).save(sys.argv[1], optimize=True)


def tiles(frames: tuple[Path, ...], shown: tuple[int, ...]) -> list[Image.Image]:
    """Small pictures of some of a burst's frames, with their regions."""
    rule = RegionRule()
    pictures = [open_jpeg(path.read_bytes()) for path in frames]
    choices = regions([thumbnail(picture, rule) for picture in pictures], rule)
    for picture, choice in zip(pictures, choices, strict=True):
        if choice.region:
            ImageDraw.Draw(picture).rectangle(pixel_box(choice.region, picture.size), outline=ORANGE, width=8)
    return [pictures[n].resize(TILE, Image.Resampling.LANCZOS) for n in shown]


if __name__ == "__main__":
    main()
