"""Probes detect a runtime, a head or a model that gives other answers."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import HEAD, MODEL, PROBES
from uncia_contract.model.probes import Probes, difference, probes_from_bytes, probes_to_bytes
from uncia_contract.npz import write_arrays

MODELS = Path(__file__).parents[3] / "models"
BUNDLES = [MODELS / "snow-leopard-starter-2.uncia", MODELS / "rendered-demo-1.uncia"]


@pytest.fixture(scope="module", params=BUNDLES, ids=["starter", "demo"])
def bundle(request: pytest.FixtureRequest) -> Bundle:
    return read_bundle(request.param)


def stated(bundle: Bundle) -> Probes:
    return probes_from_bytes(bundle.members[PROBES])


def with_head(bundle: Bundle, change: Callable[[LogisticHead], LogisticHead]) -> Bundle:
    return replace(bundle, head=change(bundle.head))


def test_a_shipped_bundles_probes_span_the_scores(bundle: Bundle) -> None:
    """Low, medium and high scores for the positive label."""
    scores = np.sort(stated(bundle).probabilities[:, 1])
    assert (scores[0] < 0.05, scores[-1] > 0.6, ((scores > 0.1) & (scores < 0.9)).sum() >= 2) == (True, True, True)


def test_a_shipped_bundle_is_reproduced_here(bundle: Bundle) -> None:
    """Within its tolerance for this runtime."""
    found = Classifier(bundle).check_probes()
    assert found.within(*bundle.manifest.tolerated(Classifier(bundle).info.name))


def test_a_head_that_always_says_no_is_refused(bundle: Bundle) -> None:
    """Its features are right; only a probe with a high score shows the error."""
    silent = with_head(bundle, lambda head: replace(head, bias=head.bias - np.array([0, 50], np.float32)))
    with pytest.raises(BundleError, match="its probes differ by"):
        Classifier(silent).check_probes()


def test_a_head_with_its_classes_exchanged_is_refused(bundle: Bundle) -> None:
    """Every verdict would be the opposite."""
    swapped = with_head(bundle, lambda head: replace(head, weights=head.weights[::-1], bias=head.bias[::-1]))
    with pytest.raises(BundleError, match="its probes differ by"):
        Classifier(swapped).check_probes()


Run = Callable[..., list[NDArray[np.float32]]]


def one_answer_for_all() -> Callable[[list[NDArray[np.float32]]], list[NDArray[np.float32]]]:
    """A model that gives one answer for all inputs, as arm64's XNNPACK did under emulation."""
    first: list[list[NDArray[np.float32]]] = []
    return lambda outputs: (first or first.append(outputs) or first)[0]  # type: ignore[func-returns-value]


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: lambda outputs: [part * 0 for part in outputs],
        lambda: lambda outputs: [part * np.nan for part in outputs],
        lambda: lambda outputs: [np.roll(part, 1) for part in outputs],
        lambda: lambda outputs: [part * 0.7 for part in outputs],
        one_answer_for_all,
    ],
    ids=["zeros", "nan", "shifted by one", "a wrong scale", "one answer for all"],
)
def test_kernels_with_other_answers_are_refused(
    bundle: Bundle, wrong: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """For several kinds of errors."""
    run, change = Interpreter.run, wrong()
    monkeypatch.setattr(Interpreter, "run", lambda self, *given: change(run(self, *given)))
    with pytest.raises(BundleError, match="its probes differ by"):
        Classifier(bundle).check_probes()


def test_the_plain_kernels_are_accepted(bundle: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """They round differently, on arm64 more than on x86-64; tflite-runtime may have only these."""
    plain = Interpreter(bundle.members[MODEL], keep_all=True)
    features = [tensor for tensor in plain.outputs if tensor.name.startswith("features")]
    monkeypatch.setattr(
        Interpreter, "run", lambda self, image, outputs, run=Interpreter.run: run(plain, image, features)
    )
    found = Classifier(bundle).probe_difference()
    assert found.features > 0
    assert found.within(*bundle.manifest.tolerated("tflite_runtime"))


def test_equal_answers_differ_by_nothing() -> None:
    """Also where all probes have the same features, so that their spread is 0."""
    same = Probes(np.zeros((2, 8, 8, 3), np.uint8), np.ones((2, 3), np.float32), np.full((2, 2), 0.5, np.float32))
    found = difference(same, same.features, same.probabilities)
    assert (found.probability, found.features) == (0.0, 0.0)


def test_other_features_are_found_where_the_probabilities_agree() -> None:
    """Also where the head ignores the features that differ."""
    inputs, chances = np.zeros((2, 8, 8, 3), np.uint8), np.full((2, 2), 0.5, np.float32)
    probes = Probes(inputs, np.array([[0, 2], [0, 4]], np.float32), chances)
    found = difference(probes, np.array([[0, 3], [0, 3]], np.float32), chances)
    assert (found.probability, found.features) == (0.0, 1.0)


def test_probes_survive_their_file() -> None:
    """Equal probes give equal bytes."""
    probes = Probes(np.zeros((1, 8, 8, 3), np.uint8), np.ones((1, 3), np.float32), np.full((1, 2), 0.5, np.float32))
    data = probes_to_bytes(probes)
    assert probes_to_bytes(probes_from_bytes(data)) == data


@pytest.mark.parametrize("count", [0, 1], ids=["none", "fewer features than inputs"])
def test_probes_of_wrong_shapes_are_refused(count: int) -> None:
    """The message gives the shapes."""
    rows = {"inputs": (2 * count, 8, 8, 3), "features": (count, 3), "probabilities": (2 * count, 2)}
    data = write_arrays({name: np.zeros(shape, np.float32) for name, shape in rows.items()})
    with pytest.raises(BundleError, match=r"probes\.npz: inputs .* expected one row a probe"):
        probes_from_bytes(data)


def test_probes_for_another_input_size_are_refused(make_bundle: Callable[..., Bundle]) -> None:
    """The message gives the expected size and the one found."""
    shapes = {"inputs": (2, 9, 9, 3), "features": (2, 2), "probabilities": (2, 2)}
    arrays = {name: np.zeros(shape, np.uint8 if name == "inputs" else np.float32) for name, shape in shapes.items()}
    bundle = make_bundle({PROBES: write_arrays(arrays)})
    with pytest.raises(BundleError, match=r"probes\.npz: inputs uint8 \(9, 9, 3\), expected uint8 \(8, 8, 3\)"):
        Classifier(bundle)


def test_a_head_that_does_not_fit_the_probes_is_refused(make_bundle: Callable[..., Bundle]) -> None:
    """A new head needs new probes."""
    weak = {"weights": np.zeros((2, 2), np.float32), "bias": np.zeros(2), "slope": np.float32(1), "offset": np.zeros(2)}
    with pytest.raises(BundleError, match="its probes differ by"):
        Classifier(make_bundle({HEAD: write_arrays(weak)})).check_probes()
