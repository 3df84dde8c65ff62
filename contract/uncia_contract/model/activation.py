"""Class activation maps: how much each place of a picture contributes to the score (Zhou et al., 2016).

If the features are the mean of a feature map, the head's weights can be applied to each place of that map. The result
is the place's contribution to the positive labels, in logits; no further model is needed. The highest place guides the
second look. `uncia-trap score --explain`, the collector's page and training's report draw the map.
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

# A place has its full colour at _FULL logits, or at the map's percentile _FULL_PERCENTILE if that is more.
_FULL, _FULL_PERCENTILE = 8.0, 95


class Explainer:
    """Makes activation maps with one bundle's model.

    If the model has no map as an output, all inner tensors are kept, which is several times slower than scoring.
    """

    def __init__(self, bundle: Bundle) -> None:
        """Load the bundle's model.

        Raises:
            BundleError: the features are not the mean of a feature map.
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
        """The map of one uint8 (height, width, 3) model input: float32 (rows, columns) logits; see `activation_map`."""
        return activation_map(self._interpreter.run(image, [self._map])[0], self._head, self._positive)


def map_output(outputs: Sequence[Tensor], features: int) -> Tensor | None:
    """The output (1, rows, columns, features) whose mean gives the features; None where the model has none."""
    maps = [one for one in outputs if len(one.shape) == 4 and one.shape[-1] == features]
    return next((one for one in maps if one.shape[1] * one.shape[2] > 1), None)


def highest_place(activation: NDArray[np.float32]) -> tuple[float, float]:
    """The centre (across, down) of the highest place of a map (rows, columns), as fractions of width and height."""
    rows, columns = activation.shape
    row, column = np.unravel_index(int(np.argmax(activation)), activation.shape)
    return (int(column) + 0.5) / columns, (int(row) + 0.5) / rows


def activation_map(features: NDArray[np.float32], head: LogisticHead, positive: list[int]) -> NDArray[np.float32]:
    """The contribution of each place to the positive labels, minus that to the others: float32 (rows, columns) logits.

    The map's mean is the difference of the head's logits for the mean features, without bias and offset.

    Args:
        features: the feature map, float32 (rows, columns, features).
        head: a head for as many features.
        positive: the columns of the positive labels.
    """
    weights, _ = head.folded()
    others = [column for column in range(head.classes) if column not in positive]
    direction = weights[positive].mean(axis=0) - weights[others].mean(axis=0)
    result: NDArray[np.float32] = (features @ direction).astype(np.float32)
    return result


def overlay(
    picture: Image.Image, activation: NDArray[np.float32], region: Region | None = None, width: int = 800
) -> Image.Image:
    """The picture with the map drawn over it: red for positive contributions, blue for negative ones.

    Args:
        picture: an oriented RGB picture.
        activation: the map of the region, (rows, columns) logits; a map with high values everywhere is scaled down.
        region: the part that the model saw; None for the whole picture.
        width: the most pixels across of the result.
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
