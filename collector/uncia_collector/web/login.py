"""The pages of login, logout, password and language, and the administrator's lists of users and accesses."""

import ipaddress
from collections.abc import Mapping
from datetime import UTC, datetime

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from uncia_collector.catalogue.access import log
from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.people import MAX_PASSWORD, ROLES, People, Person
from uncia_collector.languages.catalogues import languages
from uncia_collector.web.limits.rate_limit import RateLimit
from uncia_collector.web.rendering import PageContext
from uncia_collector.web.security import COOKIE, log_access, set_cookie, small_form
from uncia_contract.errors import ConfigurationError

# Browsers follow this header over HTTPS only. Over HTTP, pages reload themselves when Back shows them (uncia.js #1).
CLEARED = {"clear-site-data": '"cache", "cookies", "storage"'}

SHOWN = 1000  # entries of the access log
ENTERING = 8  # most logins at once; passwords are checked one at a time, and each waiting login occupies a thread


def show_login(request: Request) -> Response:
    """The login form."""
    return _login_page(request, "", 200, request.query_params.get("next", "/"))


async def send_login(request: Request) -> Response:
    """Log somebody in.

    An address has ten attempts in five minutes; a name has thirty from addresses without an earlier login under it.
    So strangers who try a name do not lock its owner out: an address with an earlier login is not counted for the
    name, and a new address (IPv6: a new network of 64 bits) has one attempt beyond the thirty.
    """
    form = await small_form(request)
    name, target = form.get("name", "")[:64], form.get("next", "/")
    limits: RateLimit = request.app.state.logins
    address = request.client.host if request.client else ""
    database: Database = request.app.state.database
    if not (limits.allows(f"address {address}") and await _may_try(request, name, address)):
        return _login_page(request, "Too many attempts. Wait five minutes.", 429, target)
    _refuse_other_sites(request)
    people: People = request.app.state.people
    if request.app.state.entering >= ENTERING:
        return _login_page(request, "Too many logins at once. Try again in a few seconds.", 503, target)
    request.app.state.entering += 1
    try:
        token = await run_in_threadpool(
            people.log_in, name, form.get("password", "")[: MAX_PASSWORD + 1], datetime.now(UTC)
        )
    finally:
        request.app.state.entering -= 1
    what: log.What = "refused" if token is None else "login"
    await run_in_threadpool(log.record, database, what, name, address, datetime.now(UTC))
    if token is None:
        return _login_page(request, "Name or password is wrong.", 401, target)
    safe = target if _is_ours(target) else "/"
    response = RedirectResponse(safe, 303)
    set_cookie(request, response, token)
    return response


async def _may_try(request: Request, name: str, address: str) -> bool:
    names: RateLimit = request.app.state.names
    first_tries: RateLimit = request.app.state.first_tries
    if await run_in_threadpool(log.is_known, request.app.state.database, name, address):
        return True
    return names.allows(name) or first_tries.allows(f"{name} {_network(address)}")


def _network(address: str) -> str:
    """The network of an IPv6 address (its first 64 bits, which its holder cannot choose); else the address itself."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return str(ipaddress.ip_network((parsed, 64), strict=False)) if parsed.version == 6 else address


def send_logout(request: Request, _person: Person, _form: Mapping[str, str]) -> Response:
    """Log the person out."""
    people: People = request.app.state.people
    people.log_out(request.cookies.get(COOKIE, ""))
    response = RedirectResponse("/login", 303, CLEARED)
    response.delete_cookie(COOKIE)
    return response


def show_password(request: Request, person: Person) -> Response:
    """The form to change one's own password."""
    return _password_page(request, person, "", 200)


def send_password(request: Request, person: Person, form: Mapping[str, str]) -> Response:
    """Change one's own password; the person must log in again."""
    people: People = request.app.state.people
    if not request.app.state.logins.allows(f"password {person.name}"):
        return _password_page(request, person, "Too many attempts. Wait five minutes.", 429)
    try:
        people.change_password(person.name, form.get("old", "")[: MAX_PASSWORD + 1], form.get("new", ""))
    except ConfigurationError as error:
        return _password_page(request, person, str(error), 400)
    log_access(request, person, "password")
    response = RedirectResponse("/login", 303)
    response.delete_cookie(COOKIE)
    return response


def show_accesses(request: Request, person: Person) -> Response:
    """The access log, newest first, at most `SHOWN` entries."""
    context: PageContext = request.app.state.context
    entries = log.newest(context.database, SHOWN)
    return context.render(request, person, "accesses.html", entries=entries, most=SHOWN)


def send_language(request: Request, person: Person, form: Mapping[str, str]) -> Response:
    """Store the language that a person chose, and show the page again."""
    people: People = request.app.state.people
    language, back = form.get("language", ""), form.get("back", "/")
    if language not in languages():
        raise HTTPException(400, "This language is not known here.")
    people.set_language(person.name, language)
    return RedirectResponse(back if _is_ours(back) else "/", 303)


def _is_ours(target: str) -> bool:
    return target.startswith("/") and not target.startswith(("//", "/\\"))


def show_users(request: Request, person: Person) -> Response:
    """The list of users with their roles."""
    context: PageContext = request.app.state.context
    return context.render(request, person, "users.html", users=request.app.state.people.listed(), roles=ROLES)


def send_user(request: Request, person: Person, form: Mapping[str, str]) -> Response:
    """Add, change or remove a user; administrators cannot remove themselves."""
    people: People = request.app.state.people
    name = form.get("name", "")
    if form.get("remove") and name == person.name:
        raise HTTPException(400, "You cannot remove yourself.")
    try:
        if form.get("remove"):
            people.remove_user(name)
        else:
            people.set_user(name, form.get("password", ""), form.get("role", ""), datetime.now(UTC))
    except ConfigurationError as error:
        raise HTTPException(400, str(error)) from error
    if form.get("remove"):
        log_access(request, person, "removed", name)
    else:
        log_access(request, person, "user", f"{name}: {form.get('role', '')}")
    return RedirectResponse("/users", 303)


def _refuse_other_sites(request: Request) -> None:
    """Refuse (403) a login form that another site sent."""
    origin = request.headers.get("origin")
    if origin is not None and origin.split("//", 1)[-1] != request.headers.get("host"):
        raise HTTPException(403, "This form comes from another site.")


def _password_page(request: Request, person: Person, message: str, status: int) -> Response:
    context: PageContext = request.app.state.context
    return context.render(request, person, "password.html", status, message=message)


def _login_page(request: Request, message: str, status: int, target: str) -> Response:
    context: PageContext = request.app.state.context
    people: People = request.app.state.people
    return context.render(request, None, "login.html", status, message=message, next=target, nobody=not people.exist())
