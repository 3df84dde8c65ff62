"""One pass over the pictures of a data set: copies, light, regions and features, by sequence, in several threads.

Decides what is computed: the rows that the stores lack, each under its picture's content. The chance in scenes and
flashes depends on the content alone, so that whoever trains finds the same rows.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from uncia_contract.bursts.regions import RegionRule
from uncia_contract.pictures.jpeg import Size
from uncia_contract.pictures.light import Light, light_of
from uncia_contract.pictures.region import Region
from uncia_contract.runs.labels import LabelledPicture, sequences
from uncia_contract.scoring.score_burst import ExpectedView
from uncia_training.datasets.duplicates import duplicate_groups
from uncia_training.datasets.inspection import Inspection
from uncia_training.datasets.pictures import PictureFailure, read_picture
from uncia_training.datasets.place_views import PlaceViews
from uncia_training.datasets.region_crops import Crop
from uncia_training.datasets.similar_hashes import miniature
from uncia_training.features.augmentation import Augmentation, augmented
from uncia_training.features.burst_pass import Look, Part, look_at
from uncia_training.features.extract import Extractor, row_key
from uncia_training.features.feature_store import FeatureStore
from uncia_training.parallel import parallel_map


@dataclass(frozen=True, eq=False)
class WantedFeatures:
    """The features to compute with one network: the augmentations, whether regions are included, and the stores."""

    extractor: Extractor
    augmentations: tuple[Augmentation, ...]
    regions: bool
    stores: dict[str, FeatureStore]

    def missing(self, content: bytes, region: Region | None) -> dict[Augmentation, str]:
        """The keys of a part of a picture that a store lacks, by augmentation."""
        if region is not None and not self.regions:
            return {}
        keys = {name: row_key(self.extractor, content, region, name) for name in self.augmentations}
        return {name: key for name, key in keys.items() if any(key not in one for one in self.stores.values())}

    def compute(self, part: Part, content: bytes) -> None:
        """Compute the rows of this part that the stores lack, and add them."""
        missing = self.missing(content, part.region)
        if missing:
            image, seed = part.inputs[self.extractor.size], int.from_bytes(content[:4], "big")
            for key, view in zip(missing.values(), augmented(image, list(missing), seed), strict=True):
                for layer, values in self.extractor(view).items():
                    self.stores[layer].add(key, values)


@contextmanager
def opened_stores(cache: Path, extractor: Extractor) -> Iterator[dict[str, FeatureStore]]:
    """Open the store of each of the extractor's layers, by layer; they are closed at the end of the block."""
    folder = cache / "features" / extractor.name
    with ExitStack() as stack:
        yield {
            layer: stack.enter_context(FeatureStore(folder / layer, *shape))
            for layer, shape in extractor.layers.items()
        }


Found = tuple[bytes, NDArray[np.uint8], Light, list[Crop]]


def pass_over(
    pictures: Sequence[LabelledPicture],
    rule: RegionRule,
    wanted: Sequence[WantedFeatures],
    featured: Callable[[LabelledPicture], bool],
    workers: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
    views: PlaceViews | None = None,
) -> tuple[Inspection, list[Crop]]:
    """Inspect the pictures and compute features into the stores; return the inspection and the crops.

    A frame with a region has two crops or more: the whole frame and its regions.

    Args:
        pictures: the data set's pictures.
        rule: the region rule.
        wanted: the features to compute of each crop.
        featured: whether to compute features of a picture.
        workers: the number of threads.
        progress: called with the number of pictures done and the number of all.
        views: the views of the places, for scoring; None to score single pictures whole.
    """
    found: dict[str, Found] = {}
    failures: dict[str, PictureFailure] = {}

    def work(burst: Sequence[LabelledPicture]) -> list[tuple[LabelledPicture, Found | str]]:
        computed = [wanted if featured(picture) else () for picture in burst]
        return _found(burst, rule, computed, views.of(burst) if views else None)

    for burst in parallel_map(work, sequences(pictures), workers):
        for picture, one in burst:
            if isinstance(one, str):
                failures[picture.file] = PictureFailure(picture.file, one)
            else:
                found[picture.file] = one
        progress(len(found) + len(failures), len(pictures))
    readable = [picture for picture in pictures if picture.file in found]
    seen = [found[picture.file] for picture in readable]
    inspection = Inspection(
        pictures=tuple(readable),
        contents=tuple(content.hex() for content, _, _, _ in seen),
        duplicates=tuple(duplicate_groups([small for _, small, _, _ in seen])),
        lights=tuple(light for _, _, light, _ in seen),
        failures=tuple(failures[picture.file] for picture in pictures if picture.file in failures),
    )
    return inspection, [crop for _, _, _, crops in found.values() for crop in crops]


def _found(
    burst: Sequence[LabelledPicture],
    rule: RegionRule,
    computed: Sequence[Sequence[WantedFeatures]],
    view: ExpectedView | None,
) -> list[tuple[LabelledPicture, Found | str]]:
    def sizes(index: int, content: bytes, region: Region | None) -> set[Size]:
        return {one.extractor.size for one in computed[index] if one.missing(content, region)}

    looks = look_at([partial(read_picture, one) for one in burst], [one.box for one in burst], rule, sizes, view)
    results: list[tuple[LabelledPicture, Found | str]] = []
    for picture, features, look in zip(burst, computed, looks, strict=True):
        results.append((picture, look if isinstance(look, str) else _computed(picture, look, features)))
    return results


def _computed(picture: LabelledPicture, look: Look, wanted: Sequence[WantedFeatures]) -> Found:
    for one in wanted:
        for part in look.parts:
            one.compute(part, look.content)
    crops = [Crop(picture, part.region, part.learnt, part.scored) for part in look.parts]
    return look.content, miniature(look.image), light_of(look.image), crops
