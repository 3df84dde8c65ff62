"""ResNet-50 v2 (pre-activation) in Keras, with the ONNX model zoo's weights; it may end after stage 2 or 3.

Architecture: He et al., Identity Mappings in Deep Residual Networks (2016), in Gluon's form: the 3x3 convolution has
the stride, and the shortcut of a stage's first unit reads the pre-activated input. Weights: `resnet50-v2-7.onnx`
(Apache-2.0), or an `.npz` of its tensors. Tensor names are those of that file without the prefix `resnetv24_`. The
features of a stage are taken after the first batch norm and ReLU of the next stage.
"""

import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.frameworks import keras
from uncia_backbones.layers import GLUON_NAMES, Graph, normalised
from uncia_backbones.network import Network, file_sha256
from uncia_backbones.weights.onnx_checkpoint import read_initialisers
from uncia_backbones.weights.tensors import CheckpointTensors, SeededTensors, Tensors, seed_of
from uncia_contract.errors import DataError

SIZE = (224, 224)
BATCH_NORM_EPSILON = 1e-5
MEAN = tuple(255 * part for part in (0.485, 0.456, 0.406))
SPREAD = tuple(255 * part for part in (0.229, 0.224, 0.225))
# Each stage: number of units, width of the bottleneck
STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))
CUTS = {"stage2": 2, "stage3": 3}
_PREFIX = re.compile(r"^resnetv\d+_")


def load(weights: str | None = None, cut: str | None = None) -> Network:
    """The network with weights of an `.onnx` or `.npz`, or random ones (`random:SEED`); `cut`: stage2, stage3 or None.

    Raises:
        DataError: no weights are given, or they belong to another network.
    """
    if not weights:
        raise DataError(
            "resnet50v2: its weights do not come with uncia; give --weights resnet50-v2-7.onnx (ONNX model zoo, "
            "vision/classification/resnet, 102 MB, Apache-2.0), an .npz of its tensors, or random:SEED"
        )
    seed = seed_of(weights)
    if seed is not None:
        return Network(build(SeededTensors(seed), cut), f"random:{seed}")
    path = Path(weights)
    return Network(build(CheckpointTensors(_arrays(path), str(path)), cut), file_sha256(path))


def build(tensors: Tensors, cut: str | None = None) -> keras.Model:
    """The network without its classifier.

    Input: float32 (n, 224, 224, 3), RGB, 0 to 255; the graph applies ImageNet's mean and spread.
    Outputs: {"map": float32 (n, rows, columns, channels), "pooled": float32 (n, channels)}, at least 0; the map is
    7x7x2048, cut after stage3 14x14x1024, after stage2 28x28x512.

    Raises:
        DataError: the tensors belong to another network.
    """
    graph = Graph(tensors, BATCH_NORM_EPSILON, GLUON_NAMES)
    pixels = keras.Input((SIZE[1], SIZE[0], 3), name="pixels")
    x = _stem(graph, pixels)
    stages = CUTS[cut] if cut else len(STAGES)
    for stage in range(1, stages + 1):
        x = _stage(graph, x, stage)
    x = _scaled_relu(graph, x, "batchnorm2" if stages == len(STAGES) else f"stage{stages + 1}_batchnorm0")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(pixels, {"map": x, "pooled": pooled}, name="resnet50v2")


def _stem(graph: Graph, pixels: Any) -> Any:
    """The first layers; ImageNet's normalisation and the input's batch norm become a subtraction and kernel factors."""
    factors, offsets = graph.scaling("batchnorm0", 3)
    if not factors.all():
        raise DataError("batchnorm0_gamma holds a zero: weights of another network?")
    factors, offsets = factors / SPREAD, offsets - np.array(MEAN) / SPREAD * factors
    x = normalised(pixels, tuple(-offsets / factors), 1.0)
    x = _norm_relu(graph, graph.padded_convolution(x, "conv0", 64, 7, 2, factors), "batchnorm1")
    x = keras.layers.ZeroPadding2D(1, name="pool_pad")(x)
    return keras.layers.MaxPooling2D(3, 2, name="pool")(x)


def _stage(graph: Graph, x: Any, stage: int) -> Any:
    units, width = STAGES[stage - 1]
    for unit in range(units):
        # The first unit has a fourth convolution, the shortcut.
        convolutions = [f"stage{stage}_conv{3 * unit + (1 if unit else 0) + part}" for part in range(4)]
        norms = [f"stage{stage}_batchnorm{3 * unit + part}" for part in range(3)]
        stride = 2 if unit == 0 and stage > 1 else 1
        x = _unit(graph, x, convolutions, norms, width, stride, has_shortcut=unit == 0)
    return x


def _unit(
    graph: Graph, x: Any, convolutions: list[str], norms: list[str], width: int, stride: int, has_shortcut: bool
) -> Any:
    activated = _scaled_relu(graph, x, norms[0])
    y = graph.convolution(activated, convolutions[0], width, 1)
    y = graph.padded_convolution(_norm_relu(graph, y, norms[1]), convolutions[1], width, 3, stride)
    y = graph.convolution(_norm_relu(graph, y, norms[2]), convolutions[2], 4 * width, 1)
    shortcut = graph.convolution(activated, convolutions[3], 4 * width, 1, stride) if has_shortcut else x
    return keras.layers.Add(name=f"{convolutions[2]}_add")([y, shortcut])


def _norm_relu(graph: Graph, x: Any, name: str) -> Any:
    return keras.layers.ReLU(name=f"{name}_relu")(graph.batch_norm(x, name))


def _scaled_relu(graph: Graph, x: Any, name: str) -> Any:
    """Batch norm and ReLU after an addition, where no convolution can include the batch norm in its weights."""
    return keras.layers.ReLU(name=f"{name}_relu")(graph.scaled_channels(x, name))


def _arrays(path: Path) -> Mapping[str, NDArray[np.float32]]:
    arrays = _npz(path) if path.suffix.lower() == ".npz" else read_initialisers(path)
    return {_PREFIX.sub("", name): array for name, array in arrays.items()}


def _npz(path: Path) -> dict[str, NDArray[np.float32]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}); expected an .npz of tensors") from error
    except (ValueError, EOFError, KeyError, zipfile.BadZipFile, AttributeError) as error:
        raise DataError(f"{path}: not an .npz of tensors ({error}); download it again") from error
