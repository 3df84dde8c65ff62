"""The effect of each quantization technique: ranges, channels, bias correction, and where the head is fitted and run.

    python benchmarks/quantization_study.py --data LABELS.csv --backbone efficientnet-lite0 --out runs/study.json

It compares float and integer features of the same pictures. Heads are fitted by training's own code in five folds that
split no sequence and no source without positives. All figures are for held-out pictures. The results are in
docs/decisions/0004-quantization.md.
"""

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.network import Network
from uncia_backbones.quantization import quantize
from uncia_backbones.quantization.activation_ranges import least_loss, quantized, sampled_activations
from uncia_backbones.quantization.bias_correction import bias_corrected
from uncia_backbones.quantization.calibration import choose as choose_calibration
from uncia_backbones.quantization.gptq_rounding import gptq_rounded
from uncia_backbones.registry import BACKBONES, backbone
from uncia_contract.datasets.csv_labels import read_labels
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.interpreter import Interpreter
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.runs.labels import LabelledPicture
from uncia_converter.agreement import roc_auc
from uncia_converter.graph import attach_head
from uncia_training.datasets.splits import FOLDS, split_units
from uncia_training.fitting.logistic import calibrate, fit_linear, to_head
from uncia_training.fitting.selection import Samples, assign_folds
from uncia_training.fitting.selection import choose as choose_penalty

Image8 = NDArray[np.uint8]
Features = NDArray[np.float32]
C = 0.003
CORRECTED_WITH = 12


def main() -> None:
    """Make and measure every variant, print a line for each, and write all figures."""
    arguments = _arguments()
    pictures = [picture for picture in read_labels(arguments.data) if not picture.never_learnt]
    network = backbone(arguments.backbone).load(arguments.weights, arguments.cut)
    images = [model_input(picture.path.read_bytes(), network.size) for picture in pictures]
    calibration = list(choose_calibration(pictures, network.size).pixels())
    float_features = features_in_float(quantize.float_model(network.model, "pooled"), images)
    problem = Problem(pictures, arguments.positive, float_features)
    rows = {"float": {"auc": problem.auc_of_float(), "pictures": len(images)}}
    for name, model in variants(network, calibration):
        integer = Interpreter(model, threads=2)
        rows[name] = problem.compare(np.stack([integer.run(image, integer.outputs[:1])[0] for image in images]))
        rows[name]["bytes"] = len(model)
        if name == "min-max":
            rows["head"] = problem.head_in_graph(model, rows[name].pop("features"), images)
        rows[name].pop("features", None)
        print(name, json.dumps(rows[name]), flush=True)
    print("head", json.dumps(rows["head"]), flush=True)
    arguments.out.write_text(json.dumps(rows, indent=1))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--backbone", choices=list(BACKBONES), required=True)
    parser.add_argument("--cut")
    parser.add_argument("--weights")
    parser.add_argument("--positive", default="snow_leopard")
    parser.add_argument("--out", type=Path, required=True)
    return parser.parse_args()


def variants(network: Network, calibration: Sequence[Image8]) -> Iterator[tuple[str, bytes]]:
    """Integer models, by the name of their quantization techniques."""
    plain = quantize.converted_int8(network.model, "pooled", calibration)
    yield "min-max", plain
    floating = quantize.calibrated(network.model, "pooled", calibration)
    yield "min-max, per tensor", quantized(floating, {}, per_channel=False)
    seen = sampled_activations(floating, calibration[::2])
    clips = (("percentile 99.99", percentile(99.99)), ("percentile 99.9", percentile(99.9)), ("mse", least_loss))
    for name, clip in clips:
        yield name, quantized(floating, {index: clip(values) for index, values in seen.items()})
    few = calibration[:: len(calibration) // CORRECTED_WITH]
    yield "min-max, bias corrected", bias_corrected(plain, floating, few)
    yield "min-max, rounded together", gptq_rounded(plain, floating, calibration)
    yield "all three", quantize.int8_model(network.model, "pooled", calibration)


def percentile(share: float) -> Callable[[NDArray[np.float32]], tuple[float, float]]:
    """A range that leaves out the same share of values above and below."""

    def clip(values: NDArray[np.float32]) -> tuple[float, float]:
        low, high = np.percentile(values, [100 - share, share])
        return min(float(low), 0.0), max(float(high), 1e-6)

    return clip


def features_in_float(model: bytes, images: Sequence[Image8]) -> Features:
    """The features in float32 (pictures, features)."""
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    runner = LiteRT(model_content=model, num_threads=2)
    runner.allocate_tensors()
    rows = []
    for image in images:
        runner.set_tensor(runner.get_input_details()[0]["index"], image[np.newaxis].astype(np.float32))
        runner.invoke()
        rows.append(runner.get_tensor(runner.get_output_details()[0]["index"])[0].copy())
    return np.stack(rows)


class Problem:
    """The pictures' labels and folds, and the float pipeline's scores to compare with."""

    def __init__(self, pictures: Sequence[LabelledPicture], positive: str, features: Features) -> None:
        self.labels = np.array([int(picture.label == positive) for picture in pictures], np.intp)
        self.groups, _ = split_units(pictures, range(len(pictures)), range(len(pictures)), "location")
        self.folds = assign_folds(self.labels, self.groups, FOLDS)
        self.float_features = features
        self.float_scores = self.scores(features)[0]

    def auc_of_float(self) -> float | None:
        """The ROC AUC of the float pipeline: float features, and a head fitted on them."""
        return roc_auc(self.labels > 0, self.float_scores)

    def scores(self, fit_on: Features, *read: Features) -> list[NDArray[np.float64]]:
        """Held-out calibrated probabilities of heads fitted on `fit_on`, for it and for each of `read`."""
        logits = np.zeros((1 + len(read), len(fit_on), 2))
        for fold in np.unique(self.folds):
            out = self.folds == fold
            head = fit_linear(fit_on[~out], self.labels[~out], C)
            for number, features in enumerate((fit_on, *read)):
                logits[number, out] = head.logits(features[out])
        calibration = calibrate(logits[0], self.labels)
        margins = calibration.slope * (logits[..., 1] - logits[..., 0])
        margins += float(calibration.offset[1] - calibration.offset[0])
        return list(1 / (1 + np.exp(-margins)))

    def compare(self, features: Features) -> dict[str, Any]:
        """The figures of one integer model; `dp` are mean absolute differences of probability."""
        own, own_on_float = self.scores(features, self.float_features)
        foreign = self.scores(self.float_features, features)[1]
        truth = self.labels > 0
        return {
            "auc, head fitted on int8": roc_auc(truth, own),
            "auc, head fitted on float": roc_auc(truth, foreign),
            "gate: same head, int8 and float features": _mean_difference(own, own_on_float),
            "dp from the float pipeline, head fitted on int8": _mean_difference(own, self.float_scores),
            "dp from the float pipeline, head fitted on float": _mean_difference(foreign, self.float_scores),
            "features": features,
        }

    def head_in_graph(self, model: bytes, features: Features, images: Sequence[Image8]) -> dict[str, Any]:
        """Compare the head in int8 in the graph with the same head in float32 on the same features."""
        samples = Samples(features[:, np.newaxis], self.labels, self.groups, np.ones(1))
        calibration = choose_penalty(samples, self.folds, (C,))[0].calibration
        head: LogisticHead = to_head(fit_linear(features, self.labels, C), calibration)
        weights, bias = head.folded()
        logits = features @ weights.T + bias
        whole = Interpreter(attach_head(model, weights, bias, (float(logits.min()), float(logits.max()))), threads=2)
        inside = np.stack([whole.run(image, whole.outputs[1:])[0] for image in images])[:, 1]
        outside = head.probabilities(features)[:, 1]
        return {
            "dp of the head in int8": _mean_difference(inside, outside),
            "largest": float(np.abs(inside - outside).max()),
            "auc in int8": roc_auc(self.labels > 0, inside.astype(np.float64)),
            "auc in float": roc_auc(self.labels > 0, outside.astype(np.float64)),
        }


def _mean_difference(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(np.abs(one - other).mean())


if __name__ == "__main__":
    main()
