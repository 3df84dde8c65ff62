"""Train a head on a bundle's features, from a folder with one folder of pictures for each label.

python examples/train_head.py BUNDLE FOLDER OUT.npz

This shows only the main steps. `uncia-train fit` also uses regions, ten views of each picture, grouped
cross-validation and a threshold; docs/training.md shows how to make a bundle from its result.
"""

import sys
from pathlib import Path

import numpy as np

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import head_to_bytes
from uncia_contract.pictures.preprocessing import model_input
from uncia_training.fitting.logistic import calibrate, fit_linear, to_head

bundle, folder, out = read_bundle(Path(sys.argv[1])), Path(sys.argv[2]), Path(sys.argv[3])
labels = sorted(path.name for path in folder.iterdir() if path.is_dir())
files = [(number, file) for number, label in enumerate(labels) for file in sorted((folder / label).glob("*.jpg"))]
classifier = Classifier(bundle)
features = np.stack(
    [classifier.features(model_input(file.read_bytes(), bundle.manifest.input_size)) for _, file in files]
)
truth = np.array([number for number, _ in files])

halves = np.arange(len(files)) % 2  # each half is scored by a head that was fitted on the other half
logits = np.empty((len(files), len(labels)))
for half in (0, 1):
    logits[halves == half] = fit_linear(features[halves != half], truth[halves != half], c=0.01).logits(
        features[halves == half]
    )
head = to_head(fit_linear(features, truth, c=0.01), calibrate(logits, truth))
out.write_bytes(head_to_bytes(head))
right = (logits.argmax(axis=1) == truth).mean()
print(f"{out}: {', '.join(labels)}; accuracy {right:.2f} on {len(files)} pictures, each held out from its fit")
