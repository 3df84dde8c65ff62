"""Sends JPEGs to the browser: whole pictures, thumbnails, cards and activation maps, which are made once and cached.

Decides that a viewer, who may not know where a trap stands, gets no file with a location in its header, and a grey
picture in place of pictures of people.
"""

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image
from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from uncia_collector.catalogue.access.people_in_pictures import human_names, is_hidden
from uncia_collector.catalogue.gallery import previews
from uncia_collector.catalogue.people import Person
from uncia_collector.catalogue.regions import region_of
from uncia_collector.catalogue.schema import frames, sequences
from uncia_collector.exports.strip_locations import strip_location
from uncia_collector.logs import logger
from uncia_collector.web.activations import Activations
from uncia_collector.web.rendering import PageContext
from uncia_contract.errors import DataError, FrameError
from uncia_contract.files import write_atomic
from uncia_contract.pictures.jpeg import open_jpeg
from uncia_contract.pictures.region import Region

THUMBNAIL_SIZE = (480, 480)
CARD_SOURCE = (960, 960)  # a card shows half of a picture's width or more
log = logger("pictures")
# `vary: Cookie`: on a shared tablet the next person must not see what was cached for the one before.
CACHED = {"cache-control": "private, max-age=604800, immutable", "vary": "Cookie"}


def show_picture(request: Request, person: Person) -> Response:
    """The JPEG as the trap sent it; viewers get the same pixels with a header without location."""
    context: PageContext = request.app.state.context
    if _hides(request, person):
        return _grey()
    frame = _frame(request)
    if frame.status != "stored":
        raise HTTPException(404, "This frame is not here.")
    file = _stored_file(context, frame.path)
    if person.may_see_places:
        return FileResponse(file, media_type="image/jpeg", headers=CACHED)
    try:
        content = strip_location(file.read_bytes())
    except FrameError as error:
        raise HTTPException(404, f"This frame cannot be shown: {error}") from error
    return Response(content, media_type="image/jpeg", headers=CACHED)


def show_thumbnail(request: Request, person: Person) -> Response:
    """A small picture without EXIF; the trap's preview until the frame has arrived."""
    return _made_of_frame(request, person, "thumbnails", lambda content, _: _thumbnail(content))


def show_card(request: Request, person: Person) -> Response:
    """The part of a frame around its region (see `card_window`), for a card, without EXIF."""
    return _made_of_frame(request, person, "cards", lambda content, frame: _card(content, frame.region))


def _made_of_frame(request: Request, person: Person, folder: str, make: Callable[[bytes, Any], bytes]) -> Response:
    """A picture made from a frame and cached in `folder`; grey if the person may not see it."""
    context: PageContext = request.app.state.context
    if _hides(request, person):
        return _grey()
    frame = _frame(request)
    if frame.status != "stored":
        return _not_kept(_preview(request))
    return _cached(context, frame.path, folder, lambda: make(_stored_file(context, frame.path).read_bytes(), frame))


def show_activation(request: Request, person: Person) -> Response:
    """The frame with its activation map (see `Activations.draw`), without EXIF."""
    context: PageContext = request.app.state.context
    if _hides(request, person):
        return _grey()
    frame = _frame(request)
    if frame.status != "stored":
        raise HTTPException(404, "This frame is not here.")
    activations: Activations = request.app.state.activations
    region = region_of(frame.region)
    try:
        return _cached(
            context, frame.path, "activations",
            lambda: activations.draw(frame.bundle_sha256, _stored_file(context, frame.path).read_bytes(), region),
        )  # fmt: skip
    except (DataError, FrameError) as error:
        raise HTTPException(404, f"No activation map: {error}.") from error


def _cached(context: PageContext, path: str, kind: str, draw: Callable[[], bytes]) -> Response:
    """A picture that is made once and cached; if it cannot be stored, it is made again the next time."""
    cached = context.file(path.replace("frames/", f"{kind}/", 1))
    if cached.is_file():
        return FileResponse(cached, media_type="image/jpeg", headers=CACHED)
    content = draw()
    try:
        cached.parent.mkdir(parents=True, exist_ok=True)
        write_atomic(cached, content, f".{os.getpid()}-{id(content)}.part")  # threads may draw the same picture at once
    except OSError as error:
        log.warning("picture not kept", path=str(cached), error=error.strerror)
    return Response(content, media_type="image/jpeg", headers=CACHED)


def _hides(request: Request, person: Person) -> bool:
    """Whether the pictures show people and the person is only a viewer."""
    if person.may_review:
        return False
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        part = request.path_params
        return is_hidden(connection, part["trap"], part["id"], human_names(context.checklist))


def _grey() -> Response:
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), (128, 128, 128)).save(buffer, "JPEG")
    return _not_kept(buffer.getvalue())


def _not_kept(content: bytes) -> Response:
    """A picture that the browser must not cache, because another one may replace it."""
    return Response(content, media_type="image/jpeg", headers={"cache-control": "no-store"})


def _frame(request: Request) -> Any:
    """The catalogue's row of a frame. Paths come from the catalogue, never from an address."""
    part = request.path_params
    query = (
        select(frames.c.status, frames.c.path, frames.c.region, sequences.c.bundle_sha256)
        .join(sequences, (sequences.c.trap == frames.c.trap) & (sequences.c.id == frames.c.sequence))
        .where(frames.c.trap == part["trap"], frames.c.sequence == part["id"], frames.c.n == part["n"])
    )
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        frame = connection.execute(query).one_or_none()
    if frame is None:
        raise HTTPException(404, "There is no such frame.")
    return frame


def _stored_file(context: PageContext, path: str) -> Path:
    file = context.file(path)
    if not file.is_file():
        raise HTTPException(404, "This frame is not here.")
    return file


def _preview(request: Request) -> bytes:
    """A thumbnail of the preview that came with the record, if it is of this frame; else 404."""
    part = request.path_params
    context: PageContext = request.app.state.context
    with context.database.reading() as connection:
        found = previews(connection, [(part["trap"], part["id"])])
    for preview in found.values():
        if preview.n == part["n"]:
            return _thumbnail(preview.jpeg)
    raise HTTPException(404, "This frame is not here.")


def card_window(region: Region | None, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom in pixels of the part of a picture that a card shows; the whole without a region.

    The part is 1.5 times as large as the region (the still parts of an animal, such as its head, may lie outside of
    the region), at least half as wide as the picture, and has the picture's shape, so that the card cuts no more off.
    """
    if region is None:
        return 0, 0, width, height
    share = min(1.0, max(0.5, 1.5 * region.width, 1.5 * region.height))
    left = min(max(0.0, region.left + (region.width - share) / 2), 1.0 - share)
    top = min(max(0.0, region.top + (region.height - share) / 2), 1.0 - share)
    sides = (left * width, top * height, (left + share) * width, (top + share) * height)
    return round(sides[0]), round(sides[1]), round(sides[2]), round(sides[3])


def _card(content: bytes, region: str | None) -> bytes:
    image = _opened(content, CARD_SOURCE)
    return _small(image.crop(card_window(region_of(region), *image.size)))


def _thumbnail(content: bytes) -> bytes:
    return _small(_opened(content, THUMBNAIL_SIZE))


def _opened(content: bytes, enough: tuple[int, int]) -> Image.Image:
    try:
        return open_jpeg(content, enough=enough)
    except FrameError as error:
        raise HTTPException(404, f"This frame cannot be shown: {error}") from error


def _small(image: Image.Image) -> bytes:
    image.thumbnail(THUMBNAIL_SIZE)
    image.info.clear()  # otherwise Pillow copies the file's comment
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
