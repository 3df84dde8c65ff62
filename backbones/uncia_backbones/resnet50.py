"""ResNet-50 of Keras Applications, the first feature extractor of uncia.

Weights: ImageNet, downloaded by Keras on a connected machine, or from a file with the same weights. Keras'
preprocessing (channels in the order blue, green, red; minus the mean) is part of the graph: it subtracts the mean, and
the first kernel's channels are reversed so that it takes RGB.
"""

from pathlib import Path
from typing import Any

import numpy as np

from uncia_backbones.frameworks import keras
from uncia_backbones.layers import normalised
from uncia_backbones.network import Network, file_sha256
from uncia_backbones.weights.tensors import SeededTensors, seed_of
from uncia_contract.errors import DataError
from uncia_contract.model.stderr_filter import silenced_unless_error

SIZE = (224, 224)
MEAN_RGB = (123.68, 116.779, 103.939)
WEIGHTS_FILE = "resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5"
WEIGHTS_URL = f"https://storage.googleapis.com/tensorflow/keras-applications/resnet/{WEIGHTS_FILE}"
WEIGHTS_MD5 = "4d473c1dd8becc155b73f8504c6f6626"
# The layer at which each cut ends. Keras counts the stem as the first of five stages.
ENDS = {None: "conv5_block3_out", "stage3": "conv4_block6_out", "stage2": "conv3_block4_out"}


def load(weights: str | None = None, cut: str | None = None) -> Network:
    """The network with Keras' weights, a file's, or random ones (`random:SEED`); `cut` is stage2, stage3 or None.

    Raises:
        DataError: the weights cannot be downloaded or read, or belong to another network; the message says how to get
            them.
    """
    seed = seed_of(weights or "")
    network = keras.applications.ResNet50(include_top=False, weights=None, input_shape=(SIZE[1], SIZE[0], 3))
    if seed is not None:
        fill(network, SeededTensors(seed))
        return Network(with_preprocessing(network, cut), f"random:{seed}")
    path = Path(weights) if weights else _fetched()
    sha256 = file_sha256(path)
    _read(network, path)
    return Network(with_preprocessing(network, cut), sha256)


def with_preprocessing(network: keras.Model, cut: str | None = None) -> keras.Model:
    """Keras' ResNet50 for RGB pixels.

    Input: float32 (n, 224, 224, 3), RGB, 0 to 255. Outputs: {"map", "pooled"}, at least 0; the map is 7x7x2048, cut
    after stage3 14x14x1024, after stage2 28x28x512. `network` itself is not changed.
    """
    pixels = keras.Input((SIZE[1], SIZE[0], 3), name="pixels")
    red_first = keras.models.clone_model(network)
    red_first.set_weights(network.get_weights())
    stem = red_first.get_layer("conv1_conv")
    kernel, bias = stem.get_weights()
    stem.set_weights([kernel[:, :, ::-1], bias])
    end = red_first.get_layer(ENDS[cut]).output
    x = keras.Model(red_first.input, end, name="resnet50")(normalised(pixels, MEAN_RGB, 1.0))
    pooled = keras.layers.GlobalAveragePooling2D(name="pooled")(x)
    return keras.Model(pixels, {"map": x, "pooled": pooled}, name="resnet50_pixels")


def fill(network: keras.Model, tensors: SeededTensors) -> None:
    """Set the weights of a network of Keras Applications to seeded random ones."""
    for layer in network.layers:
        layer.set_weights([_seeded(tensors, f"{layer.name}.{weight.name}", weight.shape) for weight in layer.weights])


def _seeded(tensors: SeededTensors, name: str, shape: tuple[int, ...]) -> Any:
    if len(shape) != 4:
        return tensors.take(name, tuple(shape))
    height, width, inputs, outputs = shape
    return np.transpose(tensors.take(name, (outputs, inputs, height, width)), (2, 3, 1, 0))


def _fetched() -> Path:
    try:
        with silenced_unless_error():
            return Path(keras.utils.get_file(WEIGHTS_FILE, WEIGHTS_URL, cache_subdir="models", file_hash=WEIGHTS_MD5))
    except Exception as error:
        raise DataError(
            f"resnet50: its weights are not here and cannot be downloaded ({error}); on a connected machine download "
            f"{WEIGHTS_URL} and give --weights {WEIGHTS_FILE}, or random:SEED for a test"
        ) from error


def _read(network: keras.Model, path: Path) -> None:
    try:
        with silenced_unless_error():
            network.load_weights(path)
    except (OSError, ValueError, KeyError, IndexError) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise DataError(
            f"{path}: no weights of Keras' ResNet50 without its top ({reason}); expected {WEIGHTS_FILE} or what "
            "keras.applications.ResNet50(include_top=False).save_weights wrote (.weights.h5)"
        ) from error
