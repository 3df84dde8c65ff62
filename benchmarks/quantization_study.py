"""What each means of quantization brings: ranges, channels, bias correction, and where the head is fitted and computed.

    python benchmarks/quantization_study.py --data LABELS.csv --backbone efficientnet-lite0 --out runs/study.json

Float and integer features of the same pictures; heads by the training's own fit, in five folds that tear no sequence
and no source without positives. Each figure is of held-out pictures. Written up in docs/decisions/0004-quantization.md.
"""

import argparse
import copy
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray

from uncia_backbones import quantize
from uncia_backbones.calibration import choose as choose_calibration
from uncia_backbones.flatbuffer import operator_name, pack, unpack
from uncia_backbones.frameworks import tf
from uncia_backbones.network import Network
from uncia_backbones.registry import BACKBONES, backbone
from uncia_backbones.silence import silenced
from uncia_contract.heads import LogisticHead
from uncia_contract.interpreter import Interpreter
from uncia_contract.labels import LabelledPicture, read_labels
from uncia_contract.preprocessing import model_input
from uncia_converter.graph import attach_head
from uncia_converter.parity import roc_auc
from uncia_training.logistic import calibrate, fit_linear, to_head
from uncia_training.selection import Samples, assign_folds, group_names
from uncia_training.selection import choose as choose_penalty

Image8 = NDArray[np.uint8]
Features = NDArray[np.float32]
C = 0.003
VALUES_A_PICTURE = 2000
CORRECTED_WITH = 12


def main() -> None:
    """Makes every variant, measures it, prints a line each and writes all figures."""
    arguments = _arguments()
    pictures = [picture for picture in read_labels(arguments.data) if not picture.is_test]
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
    """Integer models by the name of what was done to them."""
    plain = quantize.int8_model(network.model, "pooled", calibration)
    yield "min-max", plain
    calibrated = calibrate_only(network, calibration)
    yield "min-max, per tensor", quantized(calibrated, {}, per_channel=False)
    seen = observed(calibrated, calibration[::2])
    for name, clip in (("percentile 99.99", percentile(99.99)), ("percentile 99.9", percentile(99.9)), ("mse", mse)):
        yield name, quantized(calibrated, {index: clip(values) for index, values in seen.items()})
    few = [picture[0] for picture in calibration[:: len(calibration) // CORRECTED_WITH]]
    yield "min-max, bias corrected", bias_corrected(plain, calibrated, few)


def calibrate_only(network: Network, calibration: Sequence[Image8]) -> bytes:
    """The float model with the range of every activation written beside it."""
    converter = quantize._converter(network.model, "pooled")
    converter.optimizations = [tf.lite.Optimize.DEFAULT]
    converter.representative_dataset = lambda: ([picture.astype(np.float32)] for picture in calibration)
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
    converter._experimental_calibrate_only = True
    with silenced():
        model: bytes = converter.convert()
    return model


def quantized(calibrated: bytes, ranges: dict[int, tuple[float, float]], per_channel: bool = True) -> bytes:
    """The calibrated model in integers, with other ranges for some tensors."""
    from tensorflow.lite.python.convert import mlir_quantize

    model = unpack(calibrated)
    for index, (low, high) in ranges.items():
        quantization = model.subgraphs[0].tensors[index].quantization
        quantization.min, quantization.max = np.float32([low]), np.float32([high])
    with silenced():
        done = mlir_quantize(pack(model), disable_per_channel=not per_channel, fully_quantize=True)
    return quantize._renamed(_with_uint8_input(done))


def _with_uint8_input(model: bytes) -> bytes:
    """Behind a QUANTIZE of its own; the input's integers keep their meaning."""
    drawn = unpack(model)
    graph = drawn.subgraphs[0]
    signed = graph.tensors[graph.inputs[0]]  # QUANTIZE is no part of what `mlir_quantize` gives
    pixels = copy.deepcopy(signed)
    pixels.name, pixels.type, pixels.buffer = b"pixels", schema.TensorType.UINT8, 0
    pixels.quantization.zeroPoint = np.asarray(signed.quantization.zeroPoint) + 128
    graph.tensors.append(pixels)
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.QUANTIZE
    code.version = 1
    drawn.operatorCodes.append(code)
    step = schema.OperatorT()
    step.opcodeIndex = len(drawn.operatorCodes) - 1
    step.inputs = np.array([len(graph.tensors) - 1], np.int32)
    step.outputs = np.array([graph.inputs[0]], np.int32)
    graph.operators.insert(0, step)
    graph.inputs = step.inputs
    whole: bytes = pack(drawn)
    return whole


def observed(calibrated: bytes, pictures: Sequence[Image8]) -> dict[int, NDArray[np.float32]]:
    """A sample of each activation's values, by tensor."""
    tensors = unpack(calibrated).subgraphs[0].tensors
    ranged = [i for i, tensor in enumerate(tensors) if tensor.quantization and tensor.quantization.min is not None]
    runner = _float_runner(calibrated)
    inputs = {details["index"] for details in runner.get_input_details()}
    chance = np.random.default_rng(0)
    values: dict[int, list[NDArray[np.float32]]] = {index: [] for index in ranged if index not in inputs}
    for picture in pictures:
        _invoke(runner, picture[0])
        for index, kept in values.items():
            flat = runner.get_tensor(index).reshape(-1)
            extremes = np.array([flat.min(), flat.max()], np.float32)
            kept.append(np.concatenate([chance.choice(flat, min(VALUES_A_PICTURE, flat.size)), extremes]))
    return {index: np.concatenate(kept) for index, kept in values.items()}


def percentile(share: float) -> Callable[[NDArray[np.float32]], tuple[float, float]]:
    """A range that leaves out as much above and below."""

    def clip(values: NDArray[np.float32]) -> tuple[float, float]:
        low, high = np.percentile(values, [100 - share, share])
        return min(float(low), 0.0), max(float(high), 1e-6)

    return clip


def mse(values: NDArray[np.float32]) -> tuple[float, float]:
    """Of ranges shrunk in steps, the one that loses least to rounding and clipping together."""
    low, high = min(float(values.min()), 0.0), max(float(values.max()), 1e-6)
    shares = np.linspace(0.3, 1.0, 29)
    losses = []
    for share in shares:
        scale = (high - low) * share / 255
        rounded = np.clip(np.round(values / scale), np.round(low * share / scale), np.round(high * share / scale))
        losses.append(float(((rounded * scale - values) ** 2).mean()))
    best = float(shares[int(np.argmin(losses))])
    return low * best, high * best


def bias_corrected(model: bytes, calibrated: bytes, pictures: Sequence[Image8]) -> bytes:
    """Layer by layer, in order: each channel's mean moved to what it is in float (Nagel et al. 2019, empirical)."""
    floats = {_name(tensor): index for index, tensor in enumerate(unpack(calibrated).subgraphs[0].tensors)}
    runner = _float_runner(calibrated)
    drawn = unpack(model)
    graph = drawn.subgraphs[0]
    wanted: dict[str, list[NDArray[np.float64]]] = {}
    layers = [
        operator
        for operator in graph.operators
        if operator_name(drawn, operator) in ("CONV_2D", "DEPTHWISE_CONV_2D")
        and _name(graph.tensors[operator.outputs[0]]) in floats
    ]
    for picture in pictures:
        _invoke(runner, picture)
        for operator in layers:
            name = _name(graph.tensors[operator.outputs[0]])
            wanted.setdefault(name, []).append(_channel_means(runner.get_tensor(floats[name])))
    for operator in layers:
        _correct(drawn, operator, np.mean(wanted[_name(graph.tensors[operator.outputs[0]])], axis=0), pictures)
    corrected: bytes = pack(drawn)
    return corrected


def _correct(model: Any, operator: Any, wanted: NDArray[np.float64], pictures: Sequence[Image8]) -> None:
    graph = model.subgraphs[0]
    output = int(operator.outputs[0])
    interpreter = Interpreter(pack(model), keep_all=True)
    tensor = next(tensor for tensor in interpreter.tensors if tensor.index == output)
    means = [_channel_means(interpreter.run(picture, [tensor])[0][np.newaxis]) for picture in pictures]
    bias = graph.tensors[operator.inputs[2]]
    scale = np.asarray(bias.quantization.scale, np.float64)
    stored = np.frombuffer(np.asarray(model.buffers[bias.buffer].data, np.uint8).tobytes(), np.int32)
    moved = stored + np.round((wanted - np.mean(means, axis=0)) / scale).astype(np.int64)
    own = type(model.buffers[bias.buffer])()
    own.data = np.frombuffer(moved.astype(np.int32).tobytes(), np.uint8)
    model.buffers.append(own)
    bias.buffer = len(model.buffers) - 1


def _channel_means(values: NDArray[np.float32]) -> NDArray[np.float64]:
    means: NDArray[np.float64] = values.astype(np.float64).mean(axis=tuple(range(values.ndim - 1)))
    return means


def _name(tensor: Any) -> str:
    return str(tensor.name.decode() if isinstance(tensor.name, bytes) else tensor.name)


def _float_runner(model: bytes) -> Any:
    from ai_edge_litert import interpreter as litert

    runner = litert.Interpreter(
        model_content=model,
        num_threads=2,
        experimental_preserve_all_tensors=True,
        experimental_op_resolver_type=litert.OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES,
    )
    runner.allocate_tensors()
    return runner


def _invoke(runner: Any, picture: Image8) -> None:
    runner.set_tensor(runner.get_input_details()[0]["index"], picture[np.newaxis].astype(np.float32))
    runner.invoke()


def features_in_float(model: bytes, images: Sequence[Image8]) -> Features:
    """float32 (pictures, features)."""
    from ai_edge_litert.interpreter import Interpreter as LiteRT

    runner = LiteRT(model_content=model, num_threads=2)
    runner.allocate_tensors()
    rows = []
    for image in images:
        _invoke(runner, image)
        rows.append(runner.get_tensor(runner.get_output_details()[0]["index"])[0].copy())
    return np.stack(rows)


class Problem:
    """The pictures' labels and folds, and the float pipeline's answers to compare with."""

    def __init__(self, pictures: Sequence[LabelledPicture], positive: str, features: Features) -> None:
        self.labels = np.array([int(picture.label == positive) for picture in pictures], np.intp)
        self.groups = group_names(pictures, range(len(pictures)))
        self.sources = [picture.source for picture in pictures]
        self.folds = assign_folds(self.labels, self.groups, self.sources)
        self.float_features = features
        self.float_scores = self.scores(features)[0]

    def auc_of_float(self) -> float | None:
        """Of the float pipeline: float features, a head fitted on them."""
        return roc_auc(self.labels > 0, self.float_scores)

    def scores(self, fit_on: Features, *read: Features) -> list[NDArray[np.float64]]:
        """Held-out calibrated probabilities of heads fitted on `fit_on`, reading it and each of `read`."""
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
        """Figures of one integer model; `dp` are mean absolute differences of probability."""
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
        """The head in int8 within the graph against the same head in float32 on the same features."""
        samples = Samples(features[:, np.newaxis], self.labels, self.groups, self.sources, np.ones(1))
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
