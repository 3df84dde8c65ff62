"""Shows the worst errors as small pictures with their scores, embedded in the page.

Decides which errors are shown, and that a picture scored by a bundle is shown twice: with the scored region drawn in,
and with the activation map (the contract's) of the head that scored it.
"""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from uncia_contract.errors import FrameError
from uncia_contract.model.activation import Explainer, overlay
from uncia_contract.model.heads import LogisticHead
from uncia_contract.pictures.jpeg import open_jpeg, pixel_box
from uncia_contract.pictures.preprocessing import model_input
from uncia_contract.pictures.region import Region
from uncia_training.comparison.bundle_scores import pack
from uncia_training.comparison.compare import Comparison, Result
from uncia_training.datasets.pictures import read_picture

WIDTH = 178
EACH = 18


class ContactSheet:
    """Makes HTML figures of one system's pictures; keeps an `Explainer` for each head."""

    def __init__(self, comparison: Comparison, result: Result) -> None:
        self._comparison, self._result = comparison, result
        self._explainers: dict[int, Explainer] = {}

    def missed(self) -> str:
        """HTML of the positives with the lowest scores."""
        return self._sheet(worst(self._result, True))

    def false_alarms(self) -> str:
        """HTML of the negatives with the highest scores."""
        return self._sheet(worst(self._result, False))

    def _sheet(self, pictures: Sequence[int]) -> str:
        return '<div class="sheet">' + "".join(self._figure(index) for index in pictures) + "</div>"

    def _figure(self, index: int) -> str:
        picture = self._comparison.inspection.pictures[index]
        crop = self._comparison.regions.get(index) if self._result.system.regions else None
        own = self._result.own
        score = own.scored.scores[index]
        wrong = (score >= own.threshold) != bool(own.scored.truth[index])
        try:
            images = self._images(index, read_picture(picture), crop.region if crop else None)
        except FrameError:
            return ""
        name = html.escape(picture.file)
        tags = "".join(f'<img src="data:image/jpeg;base64,{_jpeg(image)}" alt="{name}">' for image in images)
        return (
            f'<figure class="{"wrong" if wrong else ""}"><div>{tags}</div>'
            f"<figcaption><b>{score:.2f}</b> {html.escape(picture.label)}"
            f'<br><span title="{name}">{html.escape(_short(picture.file))}</span></figcaption></figure>'
        )

    def _images(self, index: int, picture: bytes, region: Region | None) -> list[Image.Image]:
        whole = open_jpeg(picture, (2 * WIDTH, 2 * WIDTH)).convert("RGB")
        shown = [_small(whole, region)]
        head = self._result.bundled.heads.get(index) if self._result.bundled else None
        if head is not None:
            explainer = self._explainer(head)
            activation = explainer.activation(model_input(picture, self._input_size(), region))
            shown.append(overlay(whole, activation, region, WIDTH))
        return shown

    def _input_size(self) -> tuple[int, int]:
        backbone = self._comparison.backbone
        return backbone.description.input_size if backbone else (0, 0)

    def _explainer(self, head: LogisticHead) -> Explainer:
        if id(head) not in self._explainers:
            backbone, settings = self._comparison.backbone, self._comparison.settings
            if backbone is None:
                raise ValueError("a head without its backbone")
            bundle = pack(head, backbone, settings.positive, self._result.system.regions)
            self._explainers[id(head)] = Explainer(bundle)
        return self._explainers[id(head)]


def worst(result: Result, positive: bool, most: int = EACH) -> list[int]:
    """The numbers of the worst pictures: positives with the lowest scores, or negatives with the highest."""
    scores, truth = result.own.scored.scores, result.own.scored.truth
    order = np.argsort(scores if positive else -scores, kind="stable")
    return [int(index) for index in order if truth[index] == positive][:most]


def _small(picture: Image.Image, region: Region | None) -> Image.Image:
    """The whole picture, `WIDTH` pixels wide, with the region drawn in."""
    image = picture.resize((WIDTH, max(1, picture.height * WIDTH // picture.width)), Image.Resampling.BILINEAR)
    if region is not None:
        ImageDraw.Draw(image).rectangle(pixel_box(region, image.size), outline="#ffb000", width=2)
    return image


def _short(file: str) -> str:
    return file if len(file) <= 50 else "…" + file[-49:]


def _jpeg(image: Image.Image) -> str:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=78)
    return base64.b64encode(out.getvalue()).decode()
