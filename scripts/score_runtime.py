"""Score a labelled data set with this environment's runtime, by picture and by sequence, and write an npz.

Run it once in each environment (`.venv`, `.venv-tflite`, arm64), then `python scripts/compare_runtimes.py A.npz B.npz`.
"""

import csv
import sys
from itertools import groupby
from pathlib import Path

import numpy as np

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.scoring.score_burst import score_burst


def main() -> None:
    """Read BUNDLE LABELS.csv OUT.npz [EVERY] from the command line; with EVERY, score only every n-th picture."""
    bundle, labels, out = (Path(argument) for argument in sys.argv[1:4])
    every = int(sys.argv[4]) if len(sys.argv) > 4 else 1
    read = read_bundle(bundle)
    classifier = Classifier(read)
    with labels.open() as stream:
        rows = list(csv.DictReader(stream))
    files = [labels.parent / row["file"] for row in rows][::every]
    inputs = [model_input(file.read_bytes(), classifier.manifest.input_size) for file in files]
    features = np.stack([classifier.features(image) for image in inputs])
    probabilities = np.array([classifier.score(image) for image in inputs])
    known = sorted((row["sequence"], row["file"]) for row in rows if row["sequence"])
    confidences = []
    for _, group in groupby(known, key=lambda pair: pair[0]):
        readers = [(labels.parent / file).read_bytes for _, file in group]
        verdict = score_burst(readers, classifier, every_frame=True)
        confidences.append(np.nan if verdict is None else verdict.decision.confidence)
    step = classifier._features.scale
    threshold = classifier.manifest.decision_rule.threshold
    scores = {"probabilities": probabilities, "confidences": confidences, "threshold": threshold}
    np.savez(
        out, features=features / step, bundle=read.sha256, pictures=[row["file"] for row in rows][::every], **scores
    )
    info = classifier.info
    print(f"{out}: {info.name} {info.version} ({info.delegate}), {len(files)} pictures, {len(confidences)} sequences")


if __name__ == "__main__":
    main()
