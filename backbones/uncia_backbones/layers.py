"""Builds Keras layers that have their weights at once and are named after their tensors.

Each layer gets an explicit name. Keras' automatic names contain a counter of the process, and names are part of a
model's bytes. Kernels are given as (out, in, height, width), the order of PyTorch and ONNX, and are stored in Keras'
order.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.frameworks import keras
from uncia_backbones.weights.tensors import Tensors


@dataclass(frozen=True)
class TensorNames:
    """The names of a layer's tensors in a checkpoint: suffixes to the layer's name."""

    kernel: str
    batch_norm: tuple[str, str, str, str]  # scale, offset, mean, variance


TORCH_NAMES = TensorNames(".weight", (".weight", ".bias", ".running_mean", ".running_var"))
GLUON_NAMES = TensorNames("_weight", ("_gamma", "_beta", "_running_mean", "_running_var"))


@dataclass(frozen=True, eq=False)
class Graph:
    """Makes the layers of a network from one set of tensors."""

    tensors: Tensors
    epsilon: float
    names: TensorNames

    @staticmethod
    def layer_name(tensor: str) -> str:
        """A tensor's name, such as `_blocks.1._bn0`, as a name that TensorFlow allows for a scope."""
        return tensor.lstrip("_").replace("._", "_").replace(".", "_")

    def convolution(
        self,
        x: Any,
        name: str,
        filters: int,
        kernel: int,
        stride: int = 1,
        padding: str = "same",
        factors: NDArray[np.float64] | None = None,
    ) -> Any:
        """A convolution without bias; its tensor is (filters, channels, kernel, kernel).

        `factors` (channels,), if given, scale the channels of x; the kernel is multiplied by them.
        """
        layer = keras.layers.Conv2D(
            filters, kernel, stride, padding=padding, use_bias=False, name=self.layer_name(name)
        )
        y = layer(x)
        weight = self.tensors.take(name + self.names.kernel, (filters, x.shape[-1], kernel, kernel))
        if factors is not None:
            weight = (weight * factors[:, np.newaxis, np.newaxis]).astype(np.float32)
        layer.set_weights([weight.transpose(2, 3, 1, 0)])
        return y

    def padded_convolution(
        self,
        x: Any,
        name: str,
        filters: int,
        kernel: int,
        stride: int = 1,
        factors: NDArray[np.float64] | None = None,
    ) -> Any:
        """A convolution with `kernel // 2` zeros on each side, as in PyTorch and Gluon; "same" differs for strides."""
        if stride == 1:
            return self.convolution(x, name, filters, kernel, factors=factors)
        padded = keras.layers.ZeroPadding2D(kernel // 2, name=f"{self.layer_name(name)}_pad")(x)
        return self.convolution(padded, name, filters, kernel, stride, "valid", factors)

    def depthwise(self, x: Any, name: str, kernel: int, stride: int) -> Any:
        """A depthwise convolution without bias; its tensor is (channels, 1, kernel, kernel)."""
        layer = keras.layers.DepthwiseConv2D(kernel, stride, padding="same", use_bias=False, name=self.layer_name(name))
        y = layer(x)
        weight = self.tensors.take(name + self.names.kernel, (x.shape[-1], 1, kernel, kernel))
        layer.set_weights([weight.transpose(2, 3, 0, 1)])
        return y

    def batch_norm(self, x: Any, name: str) -> Any:
        """A frozen batch norm over the channels."""
        layer = keras.layers.BatchNormalization(epsilon=self.epsilon, trainable=False, name=self.layer_name(name))
        y = layer(x)
        layer.set_weights([self.tensors.take(name + part, (x.shape[-1],)) for part in self.names.batch_norm])
        return y

    def scaled_channels(self, x: Any, name: str) -> Any:
        """A frozen batch norm as a depthwise convolution of 1x1, for a place without a convolution before it.

        Quantized, a multiplication has one scale for all channels; a depthwise convolution has one for each channel.
        """
        layer = keras.layers.DepthwiseConv2D(1, name=self.layer_name(name))
        y = layer(x)
        factors, offsets = self.scaling(name, x.shape[-1])
        layer.set_weights([factors.reshape(1, 1, -1, 1), offsets])
        return y

    def scaling(self, name: str, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """A frozen batch norm as factors and offsets, each (channels,): y = x * factor + offset."""
        scale, offset, mean, variance = (
            self.tensors.take(name + part, (channels,)).astype(np.float64) for part in self.names.batch_norm
        )
        factors = scale / np.sqrt(variance + self.epsilon)
        return factors, offset - mean * factors


def normalised(pixels: Any, mean: float | tuple[float, ...], spread: float | tuple[float, ...]) -> Any:
    """Layers for (pixels - mean) / spread, each one number or one per channel.

    The mean is subtracted first, because this loses no precision in int8.
    """
    x = keras.layers.Rescaling(1.0, offset=-np.asarray(mean, np.float32), name="minus_mean")(pixels)
    if spread == 1.0:
        return x
    return keras.layers.Rescaling(1.0 / np.asarray(spread, np.float32), name="over_spread")(x)
