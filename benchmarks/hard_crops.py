"""Cut five half-size crops (corners and centre) of pictures without a positive label: hard negatives as stills.

    python benchmarks/hard_crops.py ../shared/data/tune.csv --positive snow_leopard --out runs/crops

The middle picture of each sequence without a positive label is cut. The crops and `labels.csv` are written to `--out`,
for `uncia-train compare --never-learnt runs/crops/labels.csv`. Each crop is a still of the source "SOURCE, crops". Use
pictures of splits `test` and `tune`: crops of pictures that a head learns from would give too good figures.
"""

import argparse
import csv
from io import BytesIO
from itertools import product
from pathlib import Path

from PIL import Image, ImageOps

from uncia_contract.datasets.reader import read_data
from uncia_contract.pictures.other_formats import read_as_jpeg
from uncia_contract.runs.labels import LabelledPicture, sequences, shows

STARTS = (*product((0.0, 0.5), (0.0, 0.5)), (0.25, 0.25))


def main() -> None:
    """Cut the pictures and write crops and labels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--positive", action="append", required=True)
    parser.add_argument("--out", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    bursts = [one for one in sequences(read_data(arguments.data)) if not shows(one, arguments.positive)]
    rows = [row for number, burst in enumerate(bursts) for row in cut(burst[len(burst) // 2], number, arguments.out)]
    with (arguments.out / "labels.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("file", "label", "source"), *rows])
    print(f"{len(rows)} crops of {len(bursts)} sequences in {arguments.out}")


def cut(picture: LabelledPicture, number: int, out: Path) -> list[tuple[str, str, str]]:
    """Write a picture's crops; return their rows."""
    if not picture.never_learnt:
        raise SystemExit(
            f"{picture.file}: not of split test or tune; its crops would flatter a head that learnt from it"
        )
    with Image.open(BytesIO(read_as_jpeg(picture.path))) as opened:
        whole = ImageOps.exif_transpose(opened).convert("RGB")
    width, height = whole.size
    rows = []
    for part, (left, top) in enumerate(STARTS):
        name = f"{number:03}-{part}.jpg"
        box = (int(left * width), int(top * height), int((left + 0.5) * width), int((top + 0.5) * height))
        whole.crop(box).save(out / name, quality=92)
        rows.append((name, picture.label, f"{picture.source}, crops"))
    return rows


if __name__ == "__main__":
    main()
