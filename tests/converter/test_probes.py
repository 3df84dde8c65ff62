"""Probes have increasing scores, are stable across kernels and reproducible; a damaged model fails them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from uncia_backbones.flatbuffer import pack, unpack
from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.manifest import MODEL, PROBES
from uncia_contract.model.probes import probes_from_bytes
from uncia_converter.probe_images import FIELDS, MOST_TRIES, Image8, search_probe_images
from uncia_converter.probes import TwoKernelModel

STARTER = Path(__file__).parents[2] / "models" / "snow-leopard-starter-2.uncia"
SIZE = (40, 32)


class Brightness:
    """A model with two labels: the second one's score grows with brightness. Kernels agree only on even mean levels."""

    def __init__(self, slope: float = 0.1, sure: bool = True) -> None:
        self.slope, self.sure, self.asked = slope, sure, 0

    def logits(self, image: Image8) -> Any:
        self.asked += 1
        return np.array([0.0, (image.mean() - 128) * self.slope])

    def kernels_agree(self, image: Image8) -> bool:
        return self.sure or int(image.mean()) % 2 == 0


def margins(model: Brightness, probes: Image8) -> list[float]:
    return [float(model.logits(probe)[1]) for probe in probes]


@pytest.fixture(scope="module")
def starter() -> Bundle:
    return read_bundle(STARTER)


def test_drawings_score_low_in_between_and_high() -> None:
    """For each of two labels, up to the last target that it reaches."""
    found = margins(Brightness(), search_probe_images(SIZE, Brightness(), 2)[FIELDS:])
    assert (min(found) <= -3, max(found) >= 3, any(-1 < margin < 1 for margin in found)) == (True, True, True)


def test_the_same_model_gives_the_same_drawings() -> None:
    """The random generator is seeded."""
    assert np.array_equal(search_probe_images(SIZE, Brightness(), 2), search_probe_images(SIZE, Brightness(), 2))


def test_a_drawing_on_which_kernels_differ_is_not_kept() -> None:
    """The same holds for fields."""
    model = Brightness(sure=False)
    assert all(model.kernels_agree(probe) for probe in search_probe_images(SIZE, model, 2))


def test_the_search_ends_for_a_model_with_constant_answers() -> None:
    """The highest drawing is kept, and the tries are counted."""
    model, told = Brightness(slope=0.0), [(0, 0)]
    probes = search_probe_images(SIZE, model, 2, lambda done, most: told.append((done, most)))
    assert len(probes) == FIELDS + 2
    assert model.asked <= 2 * MOST_TRIES + 1000
    assert told[-1][0] >= told[-1][1] == 2 * MOST_TRIES


def test_the_starters_probes_are_certain(starter: Bundle) -> None:
    """Plain kernels give nearly the same answers."""
    model = TwoKernelModel(starter.members[MODEL], starter.head)
    assert all(model.kernels_agree(probe) for probe in probes_from_bytes(starter.members[PROBES]).inputs)


def test_a_weight_tensor_of_zeros_is_refused(starter: Bundle) -> None:
    """Every fifth tensor of the starter bundle (all 60 were tried once; none passed)."""
    passed = []
    for number in range(0, len(_weights(unpack(starter.members[MODEL]))), 5):
        model = unpack(starter.members[MODEL])
        buffer = _weights(model)[number]
        buffer.data = np.zeros_like(buffer.data)
        damaged = replace(starter, members={**starter.members, MODEL: pack(model)})
        try:
            Classifier(damaged).check_probes()
            passed.append(number)
        except BundleError:
            continue
    assert passed == []


def _weights(model: Any) -> list[Any]:
    """The buffers of the weights and biases between pixels and features."""
    tensors = [tensor for tensor in model.subgraphs[0].tensors if b"head/" not in tensor.name]
    buffers = [model.buffers[tensor.buffer] for tensor in tensors]
    return [buffer for buffer in buffers if buffer.data is not None and len(buffer.data) >= 32]
