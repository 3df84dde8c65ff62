"""Keras layers with their weights put in at once, named after the tensors they hold.

Every layer has a name of ours: Keras would count up through the process, and the name of a tensor is part of a model's
bytes. Kernels come in as (out, in, height, width), PyTorch's and ONNX's order, and leave as Keras has them.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from uncia_backbones.frameworks import keras
from uncia_backbones.weights.tensors import Tensors


@dataclass(frozen=True)
class TensorNames:
    """How a checkpoint calls a layer's tensors: what follows the layer's name."""

    kernel: str
    batch_norm: tuple[str, str, str, str]  # scale, offset, mean, variance


TORCH_NAMES = TensorNames(".weight", (".weight", ".bias", ".running_mean", ".running_var"))
GLUON_NAMES = TensorNames("_weight", ("_gamma", "_beta", "_running_mean", "_running_var"))


@dataclass(frozen=True, eq=False)
class Graph:
    """Draws a network's layers from one set of tensors."""

    tensors: Tensors
    epsilon: float
    names: TensorNames

    @staticmethod
    def layer_name(tensor: str) -> str:
        """`_blocks.1._bn0` as a name that TensorFlow's scopes take."""
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

        `factors` (channels,) are those that the channels of x still need: the kernel takes them in.
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
        """The same with `kernel // 2` zeros on each side, as PyTorch and Gluon pad; "same" differs where it strides."""
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
        """The same frozen batch norm as a depthwise convolution of 1x1, for where no convolution precedes it.

        A product has one scale of integers for all channels; a depthwise convolution has one for each.
        """
        layer = keras.layers.DepthwiseConv2D(1, name=self.layer_name(name))
        y = layer(x)
        factors, offsets = self.scaling(name, x.shape[-1])
        layer.set_weights([factors.reshape(1, 1, -1, 1), offsets])
        return y

    def scaling(self, name: str, channels: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """What a frozen batch norm does to each channel: factors and offsets (channels,)."""
        scale, offset, mean, variance = (
            self.tensors.take(name + part, (channels,)).astype(np.float64) for part in self.names.batch_norm
        )
        factors = scale / np.sqrt(variance + self.epsilon)
        return factors, offset - mean * factors


def normalised(pixels: Any, mean: float | tuple[float, ...], spread: float | tuple[float, ...]) -> Any:
    """(pixels - mean) / spread, one number or one a channel; the mean goes first, which in int8 costs no precision."""
    x = keras.layers.Rescaling(1.0, offset=-np.asarray(mean, np.float32), name="minus_mean")(pixels)
    if spread == 1.0:
        return x
    return keras.layers.Rescaling(1.0 / np.asarray(spread, np.float32), name="over_spread")(x)
