"""Who gets a page: cookies, roles, CSRF, rate limits, headers.

Decides that #1 every page but login, static files, health and metrics requires a login; #2 every form carries its CSRF
token; #3 no content from other sites runs on our pages; #4 requests are limited by address; #5 a request is for a name
of ours: a page of elsewhere whose name leads here (DNS rebinding) could otherwise read what the browser may.
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
UNREADABLE = "."  # no name of ours
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
    """An endpoint for those who are logged in (#1) and of whom `may` is true."""

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
    """An endpoint for forms of those who are logged in; the CSRF token must match (#2)."""

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
    """The text fields of a form of at most `MAX_FORM_BYTES`."""
    if not request.headers.get("content-length", "").isdigit():
        raise HTTPException(411, "The request does not tell its length.")
    if int(request.headers["content-length"]) > MAX_FORM_BYTES:
        raise HTTPException(413, "The form is too large.")
    form: FormData = await request.form(max_files=0)
    return {name: value for name, value in form.items() if isinstance(value, str)}


def person_of(request: Request) -> Person | None:
    """The person who is logged in; None where nobody is."""
    people: People = request.app.state.people
    token = request.cookies.get(COOKIE, "")
    return people.person_of_token(token, datetime.now(UTC)) if token else None


def log_access(request: Request, person: Person, what: log.What, detail: str = "") -> None:
    """Enter into the access log what somebody did."""
    address = request.client.host if request.client else ""
    log.record(request.app.state.database, what, person.name, address, datetime.now(UTC), detail)


def set_cookie(request: Request, response: Response, token: str) -> None:
    """Hand a login's token to the browser, for our own pages only."""
    secure = request.url.scheme == "https"
    response.set_cookie(COOKIE, token, max_age=14 * 86400, httponly=True, samesite="strict", secure=secure)


class Guard:
    """ASGI middleware: rate limits (#4) and headers (#3)."""

    def __init__(self, app: ASGIApp, requests: RateLimit, refuse: Refusal, hosts: tuple[str, ...] = ()) -> None:
        self.app, self.requests, self.refuse = app, requests, refuse
        self.hosts = {host.lower() for host in hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, with headers on its way back."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        is_static = scope["path"].startswith("/static/")  # the same for all; a refusal is to be readable, too

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
    """The name that a request is for, without its port."""
    given = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"host"), "")
    try:
        return (urlsplit(f"//{given}").hostname or "") if given.isprintable() else UNREADABLE
    except ValueError:
        return UNREADABLE


def _is_ours(host: str, hosts: set[str]) -> bool:
    """#5: an address, a name without a dot or of the local network, or one that is ours: nobody elsewhere has it."""
    try:
        ip_address(host)
    except ValueError:
        is_local = "." not in host or host.endswith((".local", ".lan", ".home.arpa", ".internal"))
        return is_local or host in hosts or host in _own_names()
    return True


@cache
def _own_names() -> set[str]:
    """This machine's; its full name is looked up in the DNS, which may be far away."""
    return {socket.gethostname().lower(), socket.getfqdn().lower()}
