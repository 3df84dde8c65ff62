"""JPEGs for the browser: whole ones, and thumbnails made once and kept.

Decides that a viewer, who may not know where a trap stands, never gets a file whose EXIF could tell.
"""

import io
from pathlib import Path

from sqlalchemy import select
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, Response

from uncia_collector.people import Person
from uncia_collector.schema import frames
from uncia_collector.web.shell import Shell
from uncia_contract.errors import FrameError
from uncia_contract.jpeg import open_jpeg

THUMBNAIL_SIZE = (480, 480)
FULL_SIZE = (2400, 2400)
CACHED = {"cache-control": "private, max-age=604800, immutable"}


def show_picture(request: Request, person: Person) -> Response:
    """The JPEG as the trap sent it; for viewers drawn anew, without EXIF."""
    shell: Shell = request.app.state.shell
    path = _path(request)
    if person.may_see_places:
        return FileResponse(shell.file(path), media_type="image/jpeg", headers=CACHED)
    return Response(_drawn(shell.file(path), FULL_SIZE), media_type="image/jpeg", headers=CACHED)


def show_thumbnail(request: Request, _person: Person) -> Response:
    """A small picture, without EXIF."""
    shell: Shell = request.app.state.shell
    path = _path(request)
    kept = shell.file(path.replace("frames/", "thumbnails/", 1))
    if not kept.is_file():
        content = _drawn(shell.file(path), THUMBNAIL_SIZE)
        kept.parent.mkdir(parents=True, exist_ok=True)
        temporary = kept.with_suffix(f".{id(content)}.part")
        temporary.write_bytes(content)
        temporary.replace(kept)
    return FileResponse(kept, media_type="image/jpeg", headers=CACHED)


def _path(request: Request) -> str:
    """Where a stored frame lies: paths come from the catalogue, never from an address."""
    part = request.path_params
    query = select(frames.c.path).where(
        frames.c.trap == part["trap"],
        frames.c.sequence == part["id"],
        frames.c.n == part["n"],
        frames.c.status == "stored",
    )
    shell: Shell = request.app.state.shell
    with shell.database.reading() as connection:
        path = connection.execute(query).scalar_one_or_none()
    if path is None or not shell.file(path).is_file():
        raise HTTPException(404, "This frame is not here (yet).")
    return str(path)


def _drawn(path: Path, size: tuple[int, int]) -> bytes:
    try:
        image = open_jpeg(path.read_bytes(), enough=size)
    except FrameError as error:
        raise HTTPException(404, f"This frame cannot be shown: {error}") from error
    image.thumbnail(size)
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()
