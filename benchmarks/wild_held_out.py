"""False alarms on held-out pictures, with and without second looks (issue 21).

    python benchmarks/wild_held_out.py RUN BUNDLE [--crops 5]

RUN is the run from which BUNDLE was made (`runs/starter/head` after `make starter`). Each sequence of its training
pictures is scored like on a trap by the head of the fold that left it out: once with the rules of release 0.1, once
with those of the bundle. Camera-trap pictures are also cut into five half-size crops, each a trigger of its own. It
prints positives by source and label, with exact 95 % intervals, and names each negative that only a second look makes
positive. It takes two minutes.
"""

import argparse
import io
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from msgspec import UNSET
from msgspec.structs import replace

from archive_background import share
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.model.bundle import Bundle, bundle_from_bytes, read_bundle, write_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import LogisticHead, head_to_bytes
from uncia_contract.model.manifest import HEAD, SCHEMA_1
from uncia_contract.pictures.jpeg import open_jpeg, pixel_box
from uncia_contract.runs.held_out import NO_FOLD, held_out_from_bytes
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.runs.run_folder import RUN_HELD_OUT, RUN_PICTURES
from uncia_contract.scoring.score_burst import score_burst
from wild_bursts import FIVE_CROPS

Pair = tuple[Classifier, Classifier]
PORTRAITS = "kaggle10"


def pair(bundle: Bundle, head: LogisticHead) -> Pair:
    """Two classifiers with that head: with the rules of release 0.1, and with those of the bundle."""
    once = replace(bundle.manifest, looks_again=UNSET, schema=SCHEMA_1)
    members = {**bundle.members, HEAD: head_to_bytes(head)}
    first, second = (Classifier(bundle_from_bytes(write_bundle(one, members))) for one in (once, bundle.manifest))
    return first, second


def bursts(run: Path, crops: int) -> Iterator[tuple[str, str, int, list[Callable[[], bytes]]]]:
    """Yield for each burst its kind, its first file, the fold that left it out, and readers of its pictures."""
    pictures = read_pictures(run)
    folds = held_out_from_bytes((run / RUN_HELD_OUT).read_bytes(), len(pictures)).folds
    fold_of = {picture.file: int(fold) for picture, fold in zip(pictures, folds, strict=True)}
    for burst in sequences(pictures):
        fold = max(fold_of[picture.file] for picture in burst)
        if fold == NO_FOLD:
            continue
        kind = f"{burst[0].source} {burst[0].label}"
        yield kind, burst[0].file, fold, [picture.path.read_bytes for picture in burst]
        for picture in burst if burst[0].source != PORTRAITS else ():
            for n in range(crops):
                yield f"{kind}, crops", f"{picture.file}#{n}", fold, [partial(crop, picture.path, n)]


def read_pictures(run: Path) -> Sequence[LabelledPicture]:
    """The pictures of the run."""
    return read_labels(run / RUN_PICTURES)


def crop(path: Path, number: int) -> bytes:
    """One of five parts of a picture, as a JPEG."""
    picture, out = open_jpeg(path.read_bytes()), io.BytesIO()
    picture.crop(pixel_box(FIVE_CROPS[number], picture.size)).convert("RGB").save(out, "jpeg", quality=95)
    return out.getvalue()


def confidence(readers: Sequence[Callable[[], bytes]], classifier: Classifier) -> float:
    """The confidence of a burst; below 0 if no picture can be read."""
    with_all = score_burst(readers, classifier, every_frame=True, workers=1)
    return with_all.decision.confidence if with_all else -1.0


def main() -> None:
    """Print a line for each kind."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--crops", type=int, default=len(FIVE_CROPS))
    arguments = parser.parse_args()
    bundle, count = read_bundle(arguments.bundle), len(read_pictures(arguments.run))
    held_out = held_out_from_bytes((arguments.run / RUN_HELD_OUT).read_bytes(), count)
    pairs = [pair(bundle, head) for head in held_out.heads]
    threshold = bundle.manifest.decision_rule.threshold
    found: dict[str, list[tuple[bool, bool]]] = defaultdict(list)
    for kind, name, fold, readers in bursts(arguments.run, arguments.crops):
        once, again = (confidence(readers, classifier) for classifier in pairs[fold])
        found[kind].append((once >= threshold, again >= threshold))
        if again >= threshold > once and "snow_leopard" not in kind:
            print(f"  only the second look: {name} {kind}: {once:.3f} to {again:.3f}", flush=True)
    print("| | release 0.1 | second look |\n|---|---|---|")
    for kind, pairs_found in sorted(found.items()):
        print(f"| {kind} | " + " | ".join(share(list(side)) for side in zip(*pairs_found, strict=True)) + " |")


if __name__ == "__main__":
    main()
