"""Wild snow leopards in live order: each station's triggers through the watched camera and the trap's observer.

    python benchmarks/wild_trap.py --data ../shared/data [--bundle BUNDLE]

The pictures of each trigger are copied into a watched folder, station by station and in order of time. The trap cuts
bursts, scores them with its rolling background and updates it. It prints what is found of bursts of three or more
frames and of one or two, with exact 95 % intervals, with and without a background, and each missed trigger. It takes
two minutes.
"""

import argparse
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from archive_background import STARTER, share
from uncia_contract.bursts.backgrounds import Background
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_edge.camera.watched import WatchedCamera, WatchSettings
from uncia_edge.clock import read_clock
from uncia_edge.outbox.store import Outbox
from uncia_edge.scoring.observer import Observation, Observer

Trigger = Sequence[LabelledPicture]


@dataclass(frozen=True)
class Played:
    """One trigger, and the trap's results for its bursts (usually one)."""

    trigger: Trigger
    seen: tuple[Observation, ...]

    @property
    def positive(self) -> bool:
        """Whether the trap publishes the trigger."""
        return any(one.record is not None and one.record.positive for one in self.seen)

    def __str__(self) -> str:
        told = [
            f"{record.confidence:.3f} "
            + ", ".join(f"{frame.score:.3f} {frame.why}" for frame in record.frames if frame.score is not None)
            for one in self.seen
            if (record := one.record) is not None
        ]
        return f"  {self.trigger[0].sequence} {self.trigger[0].location}: " + " | ".join(told)


def play(triggers: Sequence[Trigger], bundle: Bundle, background: bool, folder: Path) -> list[Played]:
    """Play a station's triggers in order of time."""
    card = folder / "card"
    card.mkdir(parents=True)
    watch = WatchSettings(settle_s=0.05, quiet_s=0.2)
    camera = WatchedCamera(card, folder / "seen", bundle.manifest.burst_rule, lambda _: False, watch=watch)
    view = Background() if background else None
    observer = Observer(
        "trap", Classifier(bundle), bundle.identity, Outbox(folder / "outbox"), read_clock, background=view
    )
    bursts, played = camera.bursts(), list[Played]()
    for trigger in sorted(triggers, key=lambda one: one[0].datetime):
        for picture in trigger:
            shutil.copy(picture.path, card / f"{picture.sequence}_{picture.path.name}")
        seen, left = list[Observation](), len(trigger)
        while left > 0:
            burst = next(bursts)
            seen.append(observer.observe(burst))
            left -= len(burst.frames) + len(burst.failures)
        played.append(Played(trigger, tuple(seen)))
    camera.close()
    return played


def main() -> None:
    """Play all stations and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--bundle", type=Path, default=STARTER)
    arguments = parser.parse_args()
    bundle, stations = read_bundle(arguments.bundle), defaultdict[str, list[Trigger]](list)
    for trigger in sequences(read_labels(arguments.data / "tune.csv")):
        if trigger[0].label == "snow_leopard":
            stations[trigger[0].location].append(trigger)
    for background in (True, False):
        played = list[Played]()
        for triggers in stations.values():
            with tempfile.TemporaryDirectory() as folder:
                played += play(triggers, bundle, background, Path(folder))
        cut = sum(len(one.seen) != 1 for one in played)
        print("rolling background" if background else "no background", f"({cut} triggers cut otherwise)")
        for name, few in (("three frames and more", False), ("one or two", True)):
            print(f"  {name}: {share([one.positive for one in played if (len(one.trigger) <= 2) == few])}", flush=True)
        print(*(str(one) for one in played if not one.positive), sep="\n")


if __name__ == "__main__":
    main()
