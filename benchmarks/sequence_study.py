"""Compare frames with sequences over several comparisons: the plot of docs/results.md, and its tables.

    python benchmarks/sequence_study.py runs/lite0/report.json runs/stage3/report.json --plot docs/results.png

Each report is from `uncia-train compare --never-learnt`, on the same pictures. The tables are printed as Markdown.
"""

import argparse
import json
from collections import defaultdict
from pathlib import Path
from typing import Any

import matplotlib as mpl

from uncia_training.comparison.systems import SYSTEMS
from uncia_training.report.plots import STYLES, sequence_figure
from uncia_training.report.sequence_study import READINGS
from uncia_training.report.tables import count, figure

Content = dict[str, Any]


def main() -> None:
    """Read the reports, draw the plot and print the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("reports", type=Path, nargs="+")
    parser.add_argument("--plot", type=Path)
    arguments = parser.parse_args()
    studies = [json.loads(path.read_text())["study"] for path in arguments.reports]
    systems = {one["name"]: one for study in reversed(studies) for one in study["systems"]}
    names = [row.name for row in SYSTEMS if row.name in systems]
    if arguments.plot:
        with mpl.rc_context({**STYLES, "font.size": 8}):
            drawn = sequence_figure([systems[name] for name in names])
            drawn.savefig(arguments.plot, dpi=100, metadata={"Software": None})
    print_table(["system", "reading", "ROC AUC", "recall", "false alarms"], readings(systems, names))
    print_table(["station", "sequences", *names], by_place(studies, names))
    print_table(["shows something else", "pictures", "bursts", *names], by_kind(studies, names))


def readings(systems: dict[str, Content], names: list[str]) -> list[list[str]]:
    """A row for each system and reading."""
    return [
        [name, read, *[figure(systems[name][read], key, 2) for key in ("roc_auc", "recall", "false_positive_rate")]]
        for name in names
        for read in READINGS
    ]


def by_place(studies: list[Content], names: list[str]) -> list[list[str]]:
    """The recall of each station's sequences, by the mean."""
    found: dict[str, Content] = defaultdict(dict)
    for study in reversed(studies):
        for one in study["stations"]:
            found[one["station"]] |= {**one["systems"], "sequences": one["sequences"]}
    return [
        [station, str(one["sequences"]), *[figure(one[name]["mean"], "recall", 2) for name in names]]
        for station, one in found.items()
    ]


def by_kind(studies: list[Content], names: list[str]) -> list[list[str]]:
    """How many are positive of each kind: frames / sequences by their highest frame / by their mean."""
    found: dict[tuple[str, str, bool], Content] = defaultdict(dict)
    for study in reversed(studies):
        for one in study["kinds"]:
            found[one["source"], one["label"], one["never_learnt"]] |= {**one["systems"], "of": one}
    rows = []
    for (source, label, never), one in found.items():
        told = f"{source}: {label}" + ("" if never else ", held out")
        fooled = [" / ".join(count(one[name][read]) for read in READINGS) for name in names]
        single = [cell.partition(" / ")[0] for cell in fooled]
        shown = fooled if one["of"]["bursts"] else single
        rows.append([told, str(one["of"]["pictures"]), str(one["of"]["bursts"] or "\N{EN DASH}"), *shown])
    return rows


def print_table(titles: list[str], rows: list[list[str]]) -> None:
    """Print a table as Markdown."""
    for row in (titles, ["---"] * len(titles), *rows):
        print(f"| {' | '.join(row)} |")
    print()


if __name__ == "__main__":
    main()
