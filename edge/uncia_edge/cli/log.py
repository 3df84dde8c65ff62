"""`uncia-trap log`: prints why each burst was kept or not, from the trap's decision log."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any

from uncia_edge.outbox.state_folder import MEMORY
from uncia_edge.service.decision_log import DecisionLog
from uncia_edge.settings import read_settings


def add_log(log: argparse.ArgumentParser) -> None:
    """Add the arguments of `log`."""
    log.add_argument("--config", type=Path, required=True, metavar="TOML", help="the trap's configuration")
    log.add_argument("--last", type=int, default=20, metavar="N", help="show the N newest (20)")
    log.add_argument("--positive", action="store_true", help="only positive sequences")
    log.add_argument("--json", action="store_true", help="JSON lines, as they are stored")
    log.set_defaults(run=print_log)


def print_log(arguments: argparse.Namespace) -> int:
    """Print the newest entries, one line for each burst; return 0."""
    state = Path(read_settings(arguments.config).state)
    entries = [entry for folder in (state, MEMORY) for entry in DecisionLog(folder).read()]
    if not entries:
        print(f"uncia-trap: no burst was decided on yet; looked in {state}", file=sys.stderr)
    kept = [entry for entry in entries if entry.get("positive") or not arguments.positive]
    for entry in kept[max(0, len(kept) - arguments.last) :]:
        print(json.dumps(entry) if arguments.json else _explained(entry))
    return 0


def _explained(entry: dict[str, Any]) -> str:
    verdict = ("POSITIVE" if entry.get("positive") else "negative") + ("  TEST" if entry.get("test") else "")
    scores = " ".join("-" if score is None else f"{score:.2f}" for score in entry.get("scores", []))
    failures = f"; failures: {', '.join(entry['failures'])}" if entry.get("failures") else ""
    who = f"{entry.get('at', '?')}  {entry.get('id', entry['burst'])}"
    return f"{who}  {verdict}  {entry['reason']}  [{scores}]{failures}"
