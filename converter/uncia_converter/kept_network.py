"""A network that traps have, kept for a new head: model and probes of an earlier bundle, byte for byte.

Decides whether a head that was fitted on a run's backbone may be read by that network: both must give the earlier
bundle's probes the same features, to the bit. The graph's own head and the probes' stated probabilities stay those of
the earlier head; the manifest says so (`graph_head`), and a trap works the probes' probabilities out from the stated
features. So a trap that has the network is sent a head and a manifest only (docs/decisions/0008).
"""

import msgspec
import numpy as np

from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import EDGETPU, MODEL, PROBES, SCHEMA_2, Manifest
from uncia_contract.model.probes import probes_from_bytes

_SENT = ("validation", "bundled_head")  # parts of the parity report that travel: a link is slow


def kept_members(earlier: Bundle, backbone: bytes) -> dict[str, bytes]:
    """Model, probes and the model for the Edge TPU of `earlier`, for a head fitted on `backbone`.

    Raises:
        BundleError: the backbone gives other features than the bundle's network.
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
    """A new head's manifest with the earlier bundle's name and tolerances, and a short parity report."""
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
