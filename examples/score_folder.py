"""Score the pictures of one folder as one burst, and print the verdict.

python examples/score_folder.py BUNDLE FOLDER
"""

import sys
from functools import partial
from pathlib import Path

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.scoring.score_burst import score_burst

bundle, folder = Path(sys.argv[1]), Path(sys.argv[2])
classifier = Classifier(read_bundle(bundle))
files = sorted(folder.glob("*.jpg"))
verdict = score_burst([partial(Path.open, file, "rb") for file in files], classifier, every_frame=True)
if verdict is None:
    sys.exit(f"{folder}: no picture that can be decoded")
for file, frame in zip(files, verdict.frames, strict=True):
    print(f"{file.name}: {frame.score:.2f} ({frame.reason})" if frame.score is not None else f"{file.name}: -")
print(f"{verdict.label}: {verdict.decision.confidence:.2f}, {'positive' if verdict.decision.positive else 'negative'}")
