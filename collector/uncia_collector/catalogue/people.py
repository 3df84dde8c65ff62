"""Users, passwords, logins, and the rights of each role.

#1 A viewer sees pictures, but no coordinates.
#2 A reviewer also answers and sees places.
#3 An administrator also exports exact coordinates and manages users.
#4 The last administrator cannot be removed.
Passwords are hashed with argon2id, one at a time. A login ends after `LOGIN_LASTS`.
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
_ONE_AT_A_TIME = threading.Lock()  # argon2 takes 64 MiB; fifty logins at once exceeded the service's memory limit
_NOBODY = _HASHER.hash("nobody")  # checked for unknown names, so that they take as long as known ones


@dataclass(frozen=True)
class Person:
    """A person who is logged in; `csrf` proves that a form came from the station's own page."""

    name: str
    role: str
    csrf: str
    language: str = ""  # empty: the browser's language

    @property
    def may_review(self) -> bool:
        """Whether the person may answer (#2)."""
        return self.role != "viewer"

    @property
    def may_see_places(self) -> bool:
        """Whether the person may see coordinates and names of places (#1, #2)."""
        return self.role != "viewer"

    @property
    def is_administrator(self) -> bool:
        """Whether the person is an administrator (#3)."""
        return self.role == "administrator"


class People:
    """The users and logins of one catalogue."""

    def __init__(self, database: Database) -> None:
        self.database = database

    def set_user(self, name: str, password: str, role: str, now: datetime) -> None:
        """Add a user, or change password and role; the user's logins end.

        Raises:
            ConfigurationError: the name, the role or the length of the password is not allowed, or the user is the last
                administrator and would get another role (#4).
        """
        if not _NAME.fullmatch(name):
            raise ConfigurationError(f"user {name[:70]!r}: expected 1 to 64 letters, digits, space and . @ -")
        if role not in ROLES:
            raise ConfigurationError(f"role {role!r}: expected one of {', '.join(ROLES)}")
        row = {"name": name, "password": _hashed(password), "role": role, "created_at": now}
        with self.database.writing() as connection:
            if role != "administrator":
                _refuse_last_administrator(connection, name)
            connection.execute(upsert(connection, users, row, ["name"], ["password", "role"]))
            connection.execute(delete(logins).where(logins.c.name == name))

    def change_password(self, name: str, old: str, new: str) -> None:
        """Change a user's password, given the old one; all logins of the user end.

        Raises:
            ConfigurationError: the old password is wrong, or the new one is too short or too long.
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
        """Remove a user and their logins; False if there is no such user.

        Raises:
            ConfigurationError: the user is the last administrator (#4).
        """
        with self.database.writing() as connection:
            _refuse_last_administrator(connection, name)
            connection.execute(delete(logins).where(logins.c.name == name))
            return connection.execute(delete(users).where(users.c.name == name)).rowcount > 0

    def listed(self) -> list[tuple[str, str]]:
        """(name, role) of every user, ordered by name."""
        with self.database.reading() as connection:
            return [(row.name, row.role) for row in connection.execute(select(users).order_by(users.c.name))]

    def exist(self) -> bool:
        """Whether there is any user."""
        with self.database.reading() as connection:
            return bool(connection.execute(select(func.count()).select_from(users)).scalar_one())

    def log_in(self, name: str, password: str, now: datetime) -> str | None:
        """Begin a login and return its token for a cookie; None if name or password is wrong."""
        with self.database.reading() as connection:
            row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
        right = _is_right(_NOBODY if row is None else row.password, password)
        if row is None or not right:
            return None
        token = secrets.token_urlsafe(32)
        entry = {"token_sha256": _sha256(token), "name": name, "csrf": secrets.token_urlsafe(24)}
        with self.database.writing() as connection:
            # If the password was changed meanwhile, this login is refused.
            now_is = connection.execute(select(users.c.password).where(users.c.name == name)).scalar_one_or_none()
            if now_is != row.password:
                return None
            connection.execute(delete(logins).where(logins.c.expires_at < now))
            connection.execute(insert(logins), [entry | {"expires_at": now + LOGIN_LASTS}])
        return token

    def person_of_token(self, token: str, now: datetime) -> Person | None:
        """The person whose login has this token; None if there is no such login or it has expired."""
        query = (
            select(users.c.name, users.c.role, logins.c.csrf, users.c.language)
            .join(logins, logins.c.name == users.c.name)
            .where(logins.c.token_sha256 == _sha256(token), logins.c.expires_at > now)
        )
        with self.database.reading() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else Person(row.name, row.role, row.csrf, row.language)

    def set_language(self, name: str, language: str) -> None:
        """Store the language that a person chose."""
        with self.database.writing() as connection:
            connection.execute(update(users).where(users.c.name == name).values(language=language))

    def log_out(self, token: str) -> None:
        """End a login."""
        with self.database.writing() as connection:
            connection.execute(delete(logins).where(logins.c.token_sha256 == _sha256(token)))


def _refuse_last_administrator(connection: Connection, but: str) -> None:
    """Raise if `but` is the last administrator (#4): then only the command line could make a new one."""
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
