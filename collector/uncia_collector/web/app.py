"""The page's application (`make_app`): its routes, who may use them, and its error pages."""

from collections import deque
from collections.abc import Mapping
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from urllib.parse import quote, urlsplit

from sqlalchemy.exc import DataError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.people import People, Person
from uncia_collector.exports.left_out import LeftOut
from uncia_collector.languages.catalogues import N_
from uncia_collector.settings import CollectorSettings
from uncia_collector.web import export_pages, login, pages, pictures, station_pages
from uncia_collector.web.activations import Activations
from uncia_collector.web.fieldwork import deployment_pages, effort_pages
from uncia_collector.web.limits.rate_limit import RateLimit
from uncia_collector.web.metrics import IngestHealth, exposition
from uncia_collector.web.rendering import PageContext
from uncia_collector.web.security import HEADERS, Guard, form_view, page_view, person_of

ERROR_TEXTS = {
    404: "There is no such page. It may have been removed, or the address was typed wrongly.",
    405: "This address does not accept this request. Go back and press the button again.",
    429: "Too many requests at once. Wait a few seconds, then load the page again.",
}


def make_app(settings: CollectorSettings, database: Database, ingest: IngestHealth | None = None) -> Starlette:
    """The ASGI application of one collector's page; without `ingest`, its health is not shown."""
    requests = RateLimit(burst=600, per_s=60)
    hosts = settings.http.hosts if settings.http else ()
    app = Starlette(
        routes=[*_open_routes(), *_sequence_routes(), *_station_routes()],
        middleware=[Middleware(Guard, requests=requests, refuse=_too_many_requests, hosts=hosts)],
        exception_handlers={
            HTTPException: _error_page,
            DataError: _bad_request,
            OverflowError: _bad_request,
            Exception: _internal_error,
        },
    )
    app.state.context = PageContext(settings, database, ingest)
    app.state.activations = Activations(Path(settings.bundles))
    app.state.people, app.state.entering = People(database), 0
    # The latest exports: time, person, kind, counts.
    app.state.exports = deque[tuple[datetime, str, str, LeftOut]](maxlen=8)
    app.state.requests, app.state.logins = requests, RateLimit(burst=10, per_s=10 / 300)
    app.state.names = RateLimit(burst=30, per_s=30 / 300)
    app.state.first_tries = RateLimit(burst=1, per_s=1 / 300)
    app.state.database, app.state.ingest = database, ingest
    return app


def _open_routes() -> list[Route | Mount]:
    return [
        Mount("/static", StaticFiles(packages=[("uncia_collector.web", "static")])),
        Route("/login", login.show_login),
        Route("/login", login.send_login, methods=["POST"]),
        Route("/health", _health),
        Route("/metrics", _metrics),
    ]


def _sequence_routes() -> list[Route]:
    one = "/sequences/{trap}/{id}"
    return [
        Route("/", page_view(pages.show_gallery)),
        Route(one, page_view(pages.show_sequence)),
        Route(f"{one}/review", form_view(pages.send_review, _reviews), methods=["POST"]),
        Route("/review", form_view(pages.send_reviews, _reviews), methods=["POST"]),
        Route("/undo", form_view(pages.send_undo, _reviews), methods=["POST"]),
        Route(f"{one}/{{n:int}}.jpg", page_view(pictures.show_picture)),
        Route(f"{one}/{{n:int}}.thumbnail.jpg", page_view(pictures.show_thumbnail)),
        Route(f"{one}/{{n:int}}.card.jpg", page_view(pictures.show_card)),
        Route(f"{one}/{{n:int}}.activation.jpg", page_view(pictures.show_activation)),
    ]


def _station_routes() -> list[Route]:
    return [
        Route("/traps", page_view(station_pages.show_traps)),
        Route("/map", page_view(station_pages.show_map, _places)),
        Route("/deployments", page_view(deployment_pages.show_deployments, _places)),
        Route("/deployments/clock", form_view(deployment_pages.send_clock, _administers), methods=["POST"]),
        Route("/deployments/remove", form_view(deployment_pages.send_removal, _administers), methods=["POST"]),
        Route("/effort", page_view(effort_pages.show_effort)),
        Route("/effort/{kind}.csv", page_view(effort_pages.send_effort, _places)),
        Route("/activity", page_view(station_pages.show_activity)),
        Route("/recall", page_view(station_pages.show_recall)),
        Route("/quarantine", page_view(station_pages.show_quarantine, _reviews)),
        Route("/export", page_view(export_pages.show_exports, _reviews)),
        Route("/export/{kind}", page_view(export_pages.send_export, _reviews)),
        Route("/password", page_view(login.show_password)),
        Route("/password", form_view(login.send_password), methods=["POST"]),
        Route("/accesses", page_view(login.show_accesses, _administers)),
        Route("/users", page_view(login.show_users, _administers)),
        Route("/users", form_view(login.send_user, _administers), methods=["POST"]),
        Route("/language", form_view(login.send_language), methods=["POST"]),
        Route("/logout", form_view(login.send_logout), methods=["POST"]),
    ]


def _reviews(person: Person) -> bool:
    return person.may_review


def _places(person: Person) -> bool:
    return person.may_see_places


def _administers(person: Person) -> bool:
    return person.is_administrator


def _health(request: Request) -> Response:
    ingest: IngestHealth | None = request.app.state.ingest
    trouble = "" if ingest is None else ingest.trouble
    return JSONResponse({"storing": not trouble, "connected": ingest is not None and ingest.connected})


def _metrics(request: Request) -> Response:
    state = request.app.state
    return Response(exposition(state.database, state.ingest), media_type="text/plain; version=0.0.4")


def _bad_request(request: Request, _error: Exception) -> Response:
    """The page for values that the database refuses (NUL in a text, a number too large): an error of the client."""
    return _error_page(request, HTTPException(400, "This address or form is damaged."))


def _error_page(request: Request, error: Exception) -> Response:
    """The page for an HTTP error."""
    known = error if isinstance(error, HTTPException) else HTTPException(500)
    context: PageContext = request.app.state.context
    code, message = known.status_code, known.detail
    if message == HTTPStatus(code).phrase:
        message = ERROR_TEXTS.get(code, message)
    person, back = person_of(request), _way_back(request, code)
    return context.render(request, person, "error.html", code, message=message, code=code, back=back)


def _way_back(request: Request, code: int) -> tuple[str, str]:
    """Address and text of the error page's button: back to the page whose form failed, else to the nights."""
    came_from = urlsplit(request.headers.get("referer", ""))
    here = request.method == "POST" and came_from.netloc == request.headers.get("host")
    page = f"/{came_from.path.lstrip('/')}?{came_from.query}".rstrip("?") if here else "/"
    if code == 401:
        return f"/login?next={quote(page, safe='')}", N_("Log in")
    return page, N_("Back to the nights") if page == "/" else N_("Back to the page")


def _too_many_requests(request: Request) -> Response:
    """The page for clients over the rate limit; it does not use the database."""
    return _plain_error_page(request, 429, ERROR_TEXTS[429], {"retry-after": "5"})


def _internal_error(request: Request, _error: Exception) -> Response:
    """The page for an internal error. It does not use the database, which may be what failed; the log has details."""
    message = N_(
        "Internal error of the station. No data are lost. Load the page again, and tell the station's administrator."
    )
    return _plain_error_page(request, 500, message, HEADERS)  # this answer does not pass `Guard`


def _plain_error_page(request: Request, code: int, message: str, headers: Mapping[str, str]) -> Response:
    context: PageContext = request.app.state.context
    back = ("/", N_("Back to the nights"))
    response = context.render(request, None, "error.html", code, message=message, code=code, back=back)
    response.headers.update(headers)
    return response
