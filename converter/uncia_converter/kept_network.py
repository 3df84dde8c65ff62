"""Keeps the network of an earlier bundle for a new head: its model and probes are used again byte for byte.

So a trap that has the network needs only the new head and manifest (docs/decisions/0008). Decides whether a head fitted
on a run's backbone fits that network: both must give exactly the same features for the earlier bundle's probes. The
head in the graph and the probes' probabilities stay those of the earlier head. The manifest says so (`graph_head`), and
a trap computes the expected probabilities from the probes' features.
"""

import msgspec
import numpy as np

from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import EDGETPU, MODEL, PROBES, SCHEMA_2, Manifest
from uncia_contract.model.probes import probes_from_bytes

_SENT = ("validation", "bundled_head")  # parts of the parity report that are kept, because links may be slow


def kept_members(earlier: Bundle, backbone: bytes) -> dict[str, bytes]:
    """The model, probes and Edge TPU model (if any) of `earlier`, to be used with a head fitted on `backbone`.

    Raises:
        BundleError: the backbone and the bundle's network give different features.
    """
    network, fitted_on = Classifier(earlier), Interpreter(backbone)
    for image in probes_from_bytes(earlier.members[PROBES], earlier.manifest).inputs:
        features = fitted_on.run(image, [fitted_on.outputs[0]])[0].reshape(-1)
        if not np.array_equal(features, network.features(image)):
            name, version = earlier.manifest.name, earlier.manifest.version
            raise BundleError(
                f"the run's backbone gives other features than the network of {name} {version}; fit with the "
                "--backbone-dir from which that bundle was made, or make a whole bundle (without --network-of)"
            )
    return {name: earlier.members[name] for name in (MODEL, PROBES, EDGETPU) if name in earlier.members}


def with_kept_network(manifest: Manifest, earlier: Manifest) -> Manifest:
    """The manifest of a new head with the earlier bundle's name and tolerances, and a shortened parity report."""
    parity = {
        name: {key: value for key, value in manifest.parity[name].items() if key != "worst"}
        for name in _SENT
        if name in manifest.parity
    }
    return msgspec.structs.replace(
        manifest,
        name=earlier.name,
        tolerance=earlier.tolerance,
        feature_tolerance=earlier.feature_tolerance,
        parity=parity,
        graph_head="stale",
        schema=SCHEMA_2,
    )
