"""Protects the page: logins and roles, CSRF tokens, rate limits, headers, host names.

Decides:
#1 Every page except login, static files, health and metrics requires a login.
#2 Every form has its person's CSRF token.
#3 No content of other sites runs on our pages.
#4 Requests are limited by address.
#5 A request must name one of our host names. Otherwise a foreign page whose name is resolved to this station (DNS
   rebinding) could read what the browser may read.
"""

import hmac
import socket
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime
from functools import cache
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import FormData, Headers
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from uncia_collector.catalogue.access import log
from uncia_collector.catalogue.people import People, Person
from uncia_collector.languages.catalogues import N_, chosen
from uncia_collector.web.limits.rate_limit import RateLimit

COOKIE = "uncia"
UNREADABLE = "."  # in place of a host name that cannot be parsed; never one of ours
UNKNOWN_HOST = N_("This station does not know that name; its administrator can add it to [http] hosts.")
MAX_FORM_BYTES = 256 * 1024
HEADERS = {
    "content-security-policy": (
        "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
        "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "permissions-policy": "geolocation=(), camera=(), microphone=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
}

View = Callable[[Request, Person], Response]
Refusal = Callable[[Request], Response]
FormView = Callable[[Request, Person, Mapping[str, str]], Response]
Endpoint = Callable[[Request], Awaitable[Response]]


def page_view(view: View, may: Callable[[Person], bool] = lambda _: True) -> Endpoint:
    """An endpoint for people who are logged in (#1) and for whom `may` is true.

    Others are sent to the login, or get 403.
    """

    async def endpoint(request: Request) -> Response:
        person = await run_in_threadpool(person_of, request)
        if person is None:
            asked = f"{request.url.path}?{request.url.query}".rstrip("?")  # with its filters
            return RedirectResponse(f"/login?next={quote(asked, safe='')}", 303)
        if not may(person):
            raise HTTPException(403, "Your role does not allow this.")
        return await run_in_threadpool(view, request, person)

    return endpoint


def form_view(view: FormView, may: Callable[[Person], bool] = lambda _: True) -> Endpoint:
    """An endpoint for forms of people who are logged in and for whom `may` is true; the CSRF token must match (#2)."""

    async def endpoint(request: Request) -> Response:
        person = await run_in_threadpool(person_of, request)
        form = await small_form(request)
        if person is None:
            raise HTTPException(401, "You were logged out, and nothing was saved. Log in and do it again.")
        given = form.get("csrf", "") or request.headers.get("x-csrf-token", "")
        if not hmac.compare_digest(given.encode(), person.csrf.encode()):
            raise HTTPException(403, "This form is too old. Load the page again.")
        if not may(person):
            raise HTTPException(403, "Your role does not allow this.")
        return await run_in_threadpool(view, request, person, form)

    return endpoint


async def small_form(request: Request) -> dict[str, str]:
    """The text fields of a form.

    Raises:
        HTTPException: the request has no length (411) or is larger than `MAX_FORM_BYTES` (413).
    """
    if not request.headers.get("content-length", "").isdigit():
        raise HTTPException(411, "The request does not tell its length.")
    if int(request.headers["content-length"]) > MAX_FORM_BYTES:
        raise HTTPException(413, "The form is too large.")
    form: FormData = await request.form(max_files=0)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def person_of(request: Request) -> Person | None:
    """The person who is logged in; None if nobody is."""
    people: People = request.app.state.people
    token = request.cookies.get(COOKIE, "")
    return people.person_of_token(token, datetime.now(UTC)) if token else None


def log_access(request: Request, person: Person, what: log.What, detail: str = "") -> None:
    """Record in the access log what a person did."""
    address = request.client.host if request.client else ""
    log.record(request.app.state.database, what, person.name, address, datetime.now(UTC), detail)


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Set the cookie with a login's token; the browser sends it to our own pages only."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=14 * 86400, httponly=True, samesite="strict", secure=secure)


class Guard:
    """ASGI middleware: checks the host name (#5), limits requests (#4), adds headers (#3)."""

    def __init__(self, app: ASGIApp, requests: RateLimit, refuse: Refusal, hosts: tuple[str, ...] = ()) -> None:
        self.app, self.requests, self.refuse = app, requests, refuse
        self.hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or refuse it; add the headers to the answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        is_static = scope["path"].startswith("/static/")  # not limited, so that the page of a refusal has its styles

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
                if not any(name == b"cache-control" for name, _ in message["headers"]):
                    own.append((b"cache-control", b"no-cache" if is_static else b"no-store"))
                message["headers"] = [*message["headers"], *own]
            await send(message)

        if not _is_ours(_host(scope), self.hosts):
            accepted = Headers(scope=scope).get("accept-language", "")
            await PlainTextResponse(chosen("", accepted).said(UNKNOWN_HOST), 421)(scope, receive, send_with_headers)
            return
        client = scope.get("client") or ("", 0)
        allowed = is_static or self.requests.allows(client[0])
        app: ASGIApp = self.app if allowed else self.refuse(Request(scope))
        await app(scope, receive, send_with_headers)


def _host(scope: Scope) -> str:
    """The host name of a request, without its port; `UNREADABLE` if it cannot be parsed."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    try:
        return (urlsplit(f"//{given}").hostname or "") if given.isprintable() else UNREADABLE
    except ValueError:
        return UNREADABLE


def _is_ours(host: str, hosts: set[str]) -> bool:
    """Whether a host name is ours (#5): an IP address, a local name, one of `hosts`, or this machine's name.

    Nobody outside of the local network can own such a name.
    """
    try:
        ip_address(host)
    except ValueError:
        is_local = "." not in host or host.endswith((".local", ".lan", ".home.arpa", ".internal"))
        return is_local or host in hosts or host in _own_names()
    return True


@cache
def _own_names() -> set[str]:
    """The names of this machine. Cached, because the full name is looked up in the DNS, which may be slow."""
    return {socket.gethostname().lower(), socket.getfqdn().lower()}
