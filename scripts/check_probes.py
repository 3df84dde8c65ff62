"""Run the probes of bundles on this machine; print how far their scores are from those in the bundle."""

import sys
from pathlib import Path

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier


def main() -> None:
    """Check each bundle on the command line; BundleError if the scores of one differ too much."""
    for path in sys.argv[1:]:
        classifier = Classifier(read_bundle(Path(path)))
        found, info = classifier.check_probes(), classifier.info
        print(f"{path}: {info.name} {info.version} ({info.delegate}), probes within {found}")


if __name__ == "__main__":
    main()
