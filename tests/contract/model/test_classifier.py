"""A classifier runs a bundle on the installed runtime, or refuses it with the reason."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import msgspec
import numpy as np
import pytest

from uncia_contract.bursts.frame_scores import LabelledScore
from uncia_contract.bursts.second_look import SecondLook
from uncia_contract.errors import BundleError, RuntimeMissingError
from uncia_contract.model.activation import Explainer, activation_map, highest_place
from uncia_contract.model.bundle import Bundle, read_bundle
from uncia_contract.model.classifier import Classifier, load_single_thread_classifier
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.model.manifest import MODEL, PROBES, SCHEMA_2
from uncia_contract.model.probes import probes_from_bytes, probes_to_bytes
from uncia_contract.model.tflite_check import check_model

MODELS = Path(__file__).parents[1] / "models"
STARTER = Path(__file__).parents[3] / "models" / "snow-leopard-starter-2.uncia"


@pytest.fixture(scope="module")
def starter() -> Classifier:
    return Classifier(read_bundle(STARTER))


@pytest.mark.parametrize("keep", [0, 10, 100, 400, 1000, 1500, 1880], ids=str)
def test_a_truncated_flatbuffer_is_refused(make_bundle: Callable[..., Bundle], keep: int) -> None:
    """The bundle's file is complete, but its model is not."""
    bundle = make_bundle({MODEL: (MODELS / "tiny.tflite").read_bytes()[:keep]})
    with pytest.raises(BundleError, match=r"model\.tflite: .*expected a TFLite flatbuffer"):
        Classifier(bundle)


def test_a_model_cut_at_any_place_is_refused() -> None:
    """Each of 1,896 lengths; in a bundle the sha256 finds the cut earlier."""
    model, passed = (MODELS / "tiny.tflite").read_bytes(), []
    check_model(model)
    for length in range(len(model)):
        try:
            check_model(model[:length])
            passed.append(length)
        except BundleError:
            continue
    assert passed == []


@pytest.mark.parametrize(
    ("model", "got"), [("float", r"float32 \(1, 8, 8, 3\)"), ("dynamic", r"uint8 \(-1, 8, 8, 3\)")], ids=str
)
def test_another_input_is_refused_with_expected_and_got(
    make_bundle: Callable[..., Bundle], model: str, got: str
) -> None:
    """Float pixels, or a batch of any size."""
    bundle = make_bundle({MODEL: (MODELS / f"{model}.tflite").read_bytes()})
    with pytest.raises(BundleError, match=f"input {got}, expected uint8"):
        Classifier(bundle)


def test_a_head_wider_than_the_features_is_refused_with_both(make_bundle: Callable[..., Bundle]) -> None:
    """Head and manifest agree, but the model gives fewer features."""
    starter = read_bundle(STARTER)
    bundle = msgspec.structs.replace(
        make_bundle().manifest, backbone=starter.manifest.backbone, labels=starter.manifest.labels
    )
    with pytest.raises(BundleError, match="gives 2 features, its head expects 1280"):
        Classifier(make_bundle({"head.npz": starter.members["head.npz"]}, bundle))


def test_another_input_size_than_the_manifest_says_is_refused(make_bundle: Callable[..., Bundle]) -> None:
    """Both sizes are named."""
    described = msgspec.structs.replace(make_bundle().manifest, input_size=(16, 8))
    with pytest.raises(BundleError, match=r"\(8, 8\).*\(16, 8\)"):
        Classifier(make_bundle(described=described))


def test_probes_that_are_not_reproduced_are_refused_with_expected_and_got(
    make_bundle: Callable[..., Bundle], tiny_members: dict[str, bytes]
) -> None:
    """A runtime or accelerator with other answers is not used."""
    probes = probes_from_bytes(tiny_members[PROBES])
    wrong = probes_to_bytes(replace(probes, probabilities=probes.probabilities[:, ::-1]))
    with pytest.raises(BundleError, match=r"its probes differ by .* expected at most .*not used"):
        Classifier(make_bundle({PROBES: wrong})).check_probes()


@pytest.mark.parametrize("part", ["features", "probabilities"])
def test_probes_without_a_number_are_refused(
    make_bundle: Callable[..., Bundle], tiny_members: dict[str, bytes], part: str
) -> None:
    """NaN is neither larger nor smaller than a tolerance."""
    probes = probes_from_bytes(tiny_members[PROBES])
    wrong = probes_to_bytes(replace(probes, **{part: getattr(probes, part) * np.float32(np.nan)}))
    with pytest.raises(BundleError, match=r"probes differ by .*nan"):
        Classifier(make_bundle({PROBES: wrong})).check_probes()


def test_the_runtime_and_its_kernels_are_named(starter: Classifier) -> None:
    """XNNPACK is used on both runtimes."""
    assert (starter.info.name in ("ai_edge_litert", "tflite_runtime"), starter.info.delegate) == (True, "XNNPACK")


def test_more_threads_give_the_same_features(starter: Classifier) -> None:
    """Threads change only the time."""
    image = np.random.default_rng(5).integers(0, 256, (260, 260, 3), dtype=np.uint8)
    assert np.array_equal(starter.features(image), Classifier(read_bundle(STARTER), threads=2).features(image))


def test_a_missing_runtime_is_reported(make_bundle: Callable[..., Bundle]) -> None:
    """The message says how to install one."""
    with pytest.raises(RuntimeMissingError, match=r"expected no_such_runtime; install"):
        Interpreter(make_bundle().members[MODEL], only="no_such_runtime")


def test_loading_a_model_writes_nothing_to_standard_error() -> None:
    """The C++ library writes its INFO line once a process, so the test runs one."""
    model = str(MODELS / "tiny.tflite")
    code = f"from uncia_contract.model.interpreter import Interpreter; Interpreter(open({model!r}, 'rb').read())"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("threads", "megabytes", "copied"), [(2, 3.5, True), (1, 3.5, False), (2, 5.0, False)], ids=str
)
def test_only_a_light_model_on_several_threads_is_loaded_twice(
    make_bundle: Callable[..., Bundle], threads: int, megabytes: float, copied: bool
) -> None:
    """A second copy of a large model would not be faster, and needs its memory again."""
    padding = b"\0" * int(megabytes * 1024 * 1024)
    bundle = make_bundle({MODEL: (MODELS / "tiny.tflite").read_bytes() + padding})
    assert (load_single_thread_classifier(bundle, Classifier(bundle, threads=threads)) is not None) == copied


def test_several_positive_labels_are_scored_together_and_each(make_bundle: Callable[..., Bundle]) -> None:
    """The score is their sum; `labels` holds each, in the manifest's order."""
    described = msgspec.structs.replace(make_bundle().manifest, positive_labels=("snow_leopard", "other"))
    score = Classifier(make_bundle(described=described)).score(np.zeros((8, 8, 3), np.uint8))
    assert isinstance(score, LabelledScore) and list(score.labels) == ["snow_leopard", "other"]
    assert score == pytest.approx(sum(score.labels.values()))


@pytest.fixture(scope="module")
def looking_again(make_bundle: Callable[..., Bundle]) -> Bundle:
    """The tiny bundle with its map as the model's second output, and a second look."""
    manifest = msgspec.structs.replace(make_bundle().manifest, looks_again=SecondLook(), schema=SCHEMA_2)
    return make_bundle({MODEL: (MODELS / "map.tflite").read_bytes()}, manifest)


def test_a_model_with_a_map_gives_the_peak(looking_again: Bundle) -> None:
    """The peak is the highest place of the map that the plain kernels give."""
    image = np.zeros((8, 8, 3), np.uint8)
    image[5:, 1:3] = 255
    score, tiny = (
        Classifier(looking_again).score(image),
        Interpreter((MODELS / "tiny.tflite").read_bytes(), keep_all=True),
    )
    places = tiny.run(image, [tiny.before_mean(tiny.outputs[0])])[0]
    expected = highest_place(activation_map(places, looking_again.head, [1]))
    assert (score.peak, float(score)) == (expected, float(Classifier(looking_again).probabilities(image)[1]))


def test_a_map_changes_no_score(looking_again: Bundle, make_bundle: Callable[..., Bundle]) -> None:
    """Features and probabilities are equal with and without the map; without it there is no peak."""
    image = np.random.default_rng(5).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    plain = Classifier(make_bundle()).score(image)
    assert (Classifier(looking_again).score(image), plain.peak) == (plain, None)


def test_a_second_look_without_a_map_is_refused(looking_again: Bundle, make_bundle: Callable[..., Bundle]) -> None:
    """When the classifier is made."""
    with pytest.raises(BundleError, match="no feature map, which a second look needs"):
        Classifier(make_bundle(described=looking_again.manifest))


def test_an_explainer_reads_the_map_that_a_model_gives(
    looking_again: Bundle, make_bundle: Callable[..., Bundle]
) -> None:
    """It uses the fast kernels; the map equals that of the plain kernels."""
    image = np.random.default_rng(6).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    plain, own = Explainer(make_bundle()), Explainer(looking_again)
    assert own.activation(image) == pytest.approx(plain.activation(image), abs=0.05)
    assert (own._interpreter.info.delegate, plain._interpreter.info.delegate) == ("XNNPACK", "none")


def test_a_wrong_map_fails_the_probes(looking_again: Bundle, monkeypatch: pytest.MonkeyPatch) -> None:
    """Features and probabilities are right, but second looks would use the wrong map."""
    classifier = Classifier(looking_again)
    assert classifier.check_probes().features <= 0.2
    outputs = Classifier.outputs
    monkeypatch.setattr(Classifier, "outputs", lambda self, image: [(o := outputs(self, image))[0], 0 * o[1]])
    with pytest.raises(BundleError, match="probes differ"):
        classifier.check_probes()


@pytest.mark.parametrize(
    ("shape", "expected"),
    [((2, 3), (5 / 6, 0.75)), ((1, 1), (0.5, 0.5)), ((7, 7), (13 / 14, 13 / 14))],
    ids=["wide", "one place", "square"],
)
def test_the_highest_place_is_the_middle_of_its_cell(shape: tuple[int, int], expected: tuple[float, float]) -> None:
    """First across, then down."""
    places = np.arange(shape[0] * shape[1], dtype=np.float32).reshape(shape)
    assert highest_place(places) == pytest.approx(expected)
