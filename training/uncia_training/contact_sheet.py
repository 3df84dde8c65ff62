"""Small pictures of the worst errors with their scores, as figures that stand in the page."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw

from uncia_contract.errors import FrameError
from uncia_contract.preprocessing import model_input, pixel_box
from uncia_contract.regions import Region
from uncia_training.compare import Comparison, Result
from uncia_training.pictures import read_picture

SIZE = (180, 135)
EACH = 24


def worst(result: Result, positive: bool, most: int = EACH) -> list[int]:
    """The pictures that are furthest off: positives with the lowest scores, or negatives with the highest."""
    scores, truth = result.scored.scores, result.scored.truth
    order = np.argsort(scores if positive else -scores, kind="stable")
    return [int(index) for index in order if truth[index] == positive][:most]


def contact_sheet(comparison: Comparison, result: Result, pictures: Sequence[int]) -> str:
    """HTML of these pictures, the region that was scored drawn in, file and score beneath."""
    return '<div class="sheet">' + "".join(_figure(comparison, result, index) for index in pictures) + "</div>"


def _figure(comparison: Comparison, result: Result, index: int) -> str:
    picture = comparison.survey.pictures[index]
    look = comparison.regions.get(index) if result.system.regions else None
    score = result.scored.scores[index]
    wrong = (score >= comparison.settings.threshold) != bool(result.scored.truth[index])
    try:
        data = _thumbnail(read_picture(picture), look.region if look else None)
    except FrameError:
        return ""
    name = html.escape(picture.file)
    return (
        f'<figure class="{"wrong" if wrong else ""}"><img src="data:image/jpeg;base64,{data}" alt="{name}">'
        f"<figcaption><b>{score:.2f}</b> {html.escape(picture.label)}"
        f'<br><span title="{name}">{html.escape(_short(picture.file))}</span></figcaption></figure>'
    )


def _short(file: str) -> str:
    return file if len(file) <= 28 else "…" + file[-27:]


def _thumbnail(picture: bytes, region: Region | None) -> str:
    image = Image.fromarray(model_input(picture, SIZE))
    if region is not None:
        ImageDraw.Draw(image).rectangle(pixel_box(region, SIZE), outline="#ffb000", width=2)
    out = io.BytesIO()
    image.save(out, "JPEG", quality=78)
    return base64.b64encode(out.getvalue()).decode()
