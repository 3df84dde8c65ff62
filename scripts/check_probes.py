"""Runs a bundle's probes on this machine and prints how far they are from what the bundle states."""

import sys
from pathlib import Path

from uncia_contract.model.bundle import read_bundle
from uncia_contract.model.classifier import Classifier


def main() -> None:
    """Each bundle named on the command line; BundleError where one is not reproduced."""
    for path in sys.argv[1:]:
        classifier = Classifier(read_bundle(Path(path)))
        found, info = classifier.check_probes(), classifier.info
        print(f"{path}: {info.name} {info.version} ({info.delegate}), probes within {found}")


if __name__ == "__main__":
    main()
