"""Where a score comes from: class activation maps at no extra model (Zhou et al., 2016).

For features that are the mean of a feature map, the head's weights applied to each place of that map say how much the
place speaks for the positive labels. The map's highest place leads a second look; drawn, it is used by
`uncia-trap score --explain`, the collector's page and the report of training.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from uncia_contract.errors import BundleError
from uncia_contract.model.bundle import Bundle
from uncia_contract.model.heads import LogisticHead
from uncia_contract.model.interpreter import Interpreter, Tensor
from uncia_contract.model.manifest import MODEL
from uncia_contract.pictures.jpeg import pixel_box
from uncia_contract.pictures.preprocessing import WHOLE
from uncia_contract.pictures.region import Region

# How many logits a place adds before its colour is full, or as many as one place in twenty reaches.
_FULL, _FULL_PERCENTILE = 8.0, 95


class Explainer:
    """Makes activation maps of one bundle.

    Several times slower than scoring where the model does not give the map itself: every tensor is kept then.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Loads the bundle's model.

        Raises:
            BundleError: the features are no mean over a feature map.
        """
        self._head = bundle.head
        self._positive = bundle.manifest.positive_columns
        self._interpreter = Interpreter(bundle.members[MODEL])
        self._map = map_output(self._interpreter.outputs, self._head.features) or self._inner_map(bundle)

    def _inner_map(self, bundle: Bundle) -> Tensor:
        self._interpreter = Interpreter(bundle.members[MODEL], keep_all=True)
        width = bundle.head.features
        pooled = [one for one in self._interpreter.outputs if int(np.prod(one.shape[1:])) == width]
        if bundle.manifest.backbone.layer != "pooled" or not pooled:
            raise BundleError(
                f"{bundle.manifest.name}: features are not pooled; expected pooled ones for an activation map"
            )
        return self._interpreter.before_mean(pooled[0])

    def activation(self, image: NDArray[np.uint8]) -> NDArray[np.float32]:
        """float32 (rows, columns) logits for one uint8 (height, width, 3) model input; see `activation_map`."""
        return activation_map(self._interpreter.run(image, [self._map])[0], self._head, self._positive)


def map_output(outputs: Sequence[Tensor], features: int) -> Tensor | None:
    """The output (1, rows, columns, features) whose mean the features are; None where the model does not give it."""
    maps = [one for one in outputs if len(one.shape) == 4 and one.shape[-1] == features]
    return next((one for one in maps if one.shape[1] * one.shape[2] > 1), None)


def highest_place(activation: NDArray[np.float32]) -> tuple[float, float]:
    """The middle (across, down) of the highest place of a map (rows, columns), as fractions of its width and height."""
    rows, columns = activation.shape
    row, column = np.unravel_index(int(np.argmax(activation)), activation.shape)
    return (int(column) + 0.5) / columns, (int(row) + 0.5) / rows


def activation_map(features: NDArray[np.float32], head: LogisticHead, positive: list[int]) -> NDArray[np.float32]:
    """How much each place speaks for the positive labels and against the others, in logits, without the bias.

    Its mean is the difference of the logits that the head gives for the map's mean, without bias and offset.

    Args:
        features: float32 (rows, columns, features).
        head: as many features.
        positive: columns of the positive labels.
    """
    weights, _ = head.folded()
    others = [column for column in range(head.classes) if column not in positive]
    direction = weights[positive].mean(axis=0) - weights[others].mean(axis=0)
    result: NDArray[np.float32] = (features @ direction).astype(np.float32)
    return result


def overlay(
    picture: Image.Image, activation: NDArray[np.float32], region: Region | None = None, width: int = 800
) -> Image.Image:
    """The picture, `width` pixels wide or less, red where a place speaks for, blue where it speaks against.

    Args:
        picture: oriented RGB.
        activation: (rows, columns) logits of the region; strong ones all over are drawn in proportion.
        region: what the model saw, None for the whole picture.
        width: of the result in pixels.
    """
    width = min(width, picture.width)
    size = (width, max(1, picture.height * width // picture.width))
    shown = picture.resize(size, Image.Resampling.BILINEAR)
    box = pixel_box(region or WHOLE, size)
    sides = (box[2] - box[0], box[3] - box[1])
    full = max(_FULL, float(np.percentile(np.abs(activation), _FULL_PERCENTILE)))
    strength = Image.fromarray(np.clip(activation / full, -1, 1).astype(np.float32))
    spread = np.asarray(strength.resize(sides, Image.Resampling.BICUBIC))[..., np.newaxis]
    inside = np.asarray(shown.crop(box), dtype=np.float32)
    colour = np.where(spread > 0, np.array([255, 0, 0], np.float32), np.array([0, 0, 255], np.float32))
    opacity = np.clip(np.abs(spread), 0, 1) * 0.6
    mixed = inside * (1 - opacity) + colour * opacity
    shown.paste(Image.fromarray(np.clip(mixed, 0, 255).astype(np.uint8)), box[:2])
    return shown
