"""Print the figures of a model card (models/*.md) from a run and a replay: `model_card.py RUN_JSON REPLAY_JSON`.

It prints the parts that change with a new training, for a person to check and paste.
"""

import json
import sys
from pathlib import Path


def main() -> None:
    """Print penalty, table of metrics, sources and figures of the replay."""
    run, replay = (json.loads(Path(name).read_text()) for name in sys.argv[1:3])
    print("C =", run["training"]["penalty"]["c"], "fingerprint", run["training"]["fingerprint"][:12])
    for name, row in run["metrics"].items():
        cells = [f"{row[f]:.3f} ({row[f + '_interval'][0]:.3f} to {row[f + '_interval'][1]:.3f})"
                 for f in ("accuracy", "roc_auc", "average_precision")]  # fmt: skip
        print(f"| {name} | {row['n']} | " + " | ".join(cells) + " |")
    for source in run["sources"]:
        print(f"| {source['name']} | {source['licence']} | {source['attribution']} | {source['doubts'] or '–'} |")
    for one in replay["sequences"]:
        scores = [score for score in one["scores"] if score is not None]
        print(one["burst"], "positive" if one["positive"] else "", round(one["confidence"], 3), round(max(scores), 3))


if __name__ == "__main__":
    main()
