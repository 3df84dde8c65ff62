"""Users, passwords, logins, and what each role may see and do.

Decides roles (#1 a viewer sees pictures, but no coordinates; #2 a reviewer also reviews and sees where; #3 an
administrator also exports exact coordinates and keeps users; #4 one administrator stays), how passwords are kept
(argon2id, one at a time), how long one stays in.
"""

import hashlib
import re
import secrets
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from sqlalchemy import Connection, delete, func, insert, select, update

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import logins, users
from uncia_collector.catalogue.sql import upsert
from uncia_contract.errors import ConfigurationError

ROLES = ("viewer", "reviewer", "administrator")
LOGIN_LASTS = timedelta(days=14)
MIN_PASSWORD, MAX_PASSWORD = 8, 200
_NAME = re.compile(r"[\w][\w .@-]{0,63}")
_HASHER = PasswordHasher()
_ONE_AT_A_TIME = threading.Lock()  # argon2 takes 64 MiB; fifty logins at once took more than the unit has
_NOBODY = _HASHER.hash("nobody")  # checked for unknown names, so that both answers take as long


@dataclass(frozen=True)
class Person:
    """Somebody who is logged in; `csrf` proves that a form came from our own page."""

    name: str
    role: str
    csrf: str
    language: str = ""  # empty: what the browser asks for

    @property
    def may_review(self) -> bool:
        """#2."""
        return self.role != "viewer"

    @property
    def may_see_places(self) -> bool:
        """#1, #2."""
        return self.role != "viewer"

    @property
    def is_administrator(self) -> bool:
        """#3."""
        return self.role == "administrator"


class People:
    """Users and logins of one catalogue."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def set_user(self, name: str, password: str, role: str, now: datetime) -> None:
        """Add a user, or change password and role; earlier logins end.

        Raises:
            ConfigurationError: an impossible name, an unknown role, a password too short or too long; it would take
                the role of the last administrator (#4).
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"user {name[:70]!r}: expected 1 to 64 letters, digits, space and . @ -")
        if role not in ROLES:
            raise ConfigurationError(f"role {role!r}: expected one of {', '.join(ROLES)}")
        row = {"name": name, "password": _hashed(password), "role": role, "created_at": now}
        with self.database.writing() as connection:
            if role != "administrator":
                _keep_an_administrator(connection, name)
            connection.execute(upsert(connection, users, row, ["name"], ["password", "role"]))
            connection.execute(delete(logins).where(logins.c.name == name))

    def change_password(self, name: str, old: str, new: str) -> None:
        """Change one's own password; all logins under the name end.

        Raises:
            ConfigurationError: the old one is wrong, the new one too short or too long.
        """
        with self.database.reading() as connection:
            known = connection.execute(select(users.c.password).where(users.c.name == name)).scalar_one_or_none()
        if known is None or not _is_right(known, old):
            raise ConfigurationError("The current password is wrong.")
        hashed = _hashed(new)
        with self.database.writing() as connection:
            connection.execute(update(users).where(users.c.name == name).values(password=hashed))
            connection.execute(delete(logins).where(logins.c.name == name))

    def remove_user(self, name: str) -> bool:
        """Remove a user and their logins; whether there was one.

        Raises:
            ConfigurationError: it is the last administrator (#4).
        """
        with self.database.writing() as connection:
            _keep_an_administrator(connection, name)
            connection.execute(delete(logins).where(logins.c.name == name))
            return connection.execute(delete(users).where(users.c.name == name)).rowcount > 0

    def listed(self) -> list[tuple[str, str]]:
        """(name, role) of every user."""
        with self.database.reading() as connection:
            return [(row.name, row.role) for row in connection.execute(select(users).order_by(users.c.name))]

    def exist(self) -> bool:
        """Whether anybody can log in at all."""
        with self.database.reading() as connection:
            return bool(connection.execute(select(func.count()).select_from(users)).scalar_one())

    def log_in(self, name: str, password: str, now: datetime) -> str | None:
        """A token for a cookie; None for a wrong name or password."""
        with self.database.reading() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
        right = _is_right(_NOBODY if row is None else row.password, password)
        if row is None or not right:
            return None
        token = secrets.token_urlsafe(32)
        entry = {"token_sha256": _sha256(token), "name": name, "csrf": secrets.token_urlsafe(24)}
        with self.database.writing() as connection:
            # A password that was changed meanwhile ends this login, too.
            now_is = connection.execute(select(users.c.password).where(users.c.name == name)).scalar_one_or_none()
            if now_is != row.password:
                return None
            connection.execute(delete(logins).where(logins.c.expires_at < now))
            connection.execute(insert(logins), [entry | {"expires_at": now + LOGIN_LASTS}])
        return token

    def person_of_token(self, token: str, now: datetime) -> Person | None:
        """The person whose login has this token; None where there is none, or it has expired."""
        query = (
            select(users.c.name, users.c.role, logins.c.csrf, users.c.language)
            .join(logins, logins.c.name == users.c.name)
            .where(logins.c.token_sha256 == _sha256(token), logins.c.expires_at > now)
        )
        with self.database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Person(row.name, row.role, row.csrf, row.language)

    def set_language(self, name: str, language: str) -> None:
        """Keep the language that a person chose."""
        with self.database.writing() as connection:
            connection.execute(update(users).where(users.c.name == name).values(language=language))

    def log_out(self, token: str) -> None:
        """End a login."""
        with self.database.writing() as connection:
            connection.execute(delete(logins).where(logins.c.token_sha256 == _sha256(token)))


def _keep_an_administrator(connection: Connection, but: str) -> None:
    """#4: a page without an administrator could be mended on the command line only."""
    of_role = select(users.c.name).where(users.c.role == "administrator")
    if connection.execute(of_role).scalars().all() == [but]:
        raise ConfigurationError(f"{but} is the last administrator: make somebody else one first")


def _hashed(password: str) -> str:
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise ConfigurationError(f"password of {len(password)} characters: expected {MIN_PASSWORD} to {MAX_PASSWORD}")
    with _ONE_AT_A_TIME:
        return _HASHER.hash(password)


def _is_right(hashed: str, password: str) -> bool:
    with _ONE_AT_A_TIME:
        try:
            return _HASHER.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False


def _sha256(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
