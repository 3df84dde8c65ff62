"""The access log: logins, refusals, users, exact exports and maps, with name, address and time.

The newest `KEPT` entries are kept, and apart from them the newest `KEPT_REFUSED` refused logins, so that many refused
logins of a stranger do not push out other entries.
"""

from datetime import datetime
from typing import Any, Literal

from sqlalchemy import Connection, delete, insert, select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import accesses

What = Literal["login", "refused", "password", "user", "removed", "exact export", "exact map"]
KEPT, KEPT_REFUSED = 20_000, 5_000
COMMAND_LINE = "command line"
_REFUSED = accesses.c.what == "refused"


def record(database: Database, what: What, name: str, address: str, now: datetime, detail: str = "") -> None:
    """Add an entry; delete the oldest entries beyond the numbers that are kept."""
    row = {"at": now, "name": name[:64], "address": address[:64], "what": what, "detail": detail[:200]}
    with database.writing() as connection:
        connection.execute(insert(accesses), [row])
        _forget(connection, ~_REFUSED, KEPT)
        _forget(connection, _REFUSED, KEPT_REFUSED)


def newest(database: Database, count: int) -> list[Any]:
    """The newest `count` entries, newest first."""
    with database.reading() as connection:
        return list(connection.execute(select(accesses).order_by(accesses.c.key.desc()).limit(count)))


def is_known(database: Database, name: str, address: str) -> bool:
    """Whether there is a login with this name from this address."""
    this = accesses.c.what == "login", accesses.c.name == name, accesses.c.address == address
    with database.reading() as connection:
        return connection.execute(select(accesses.c.key).where(*this).limit(1)).first() is not None


def _forget(connection: Connection, kind: Any, kept: int) -> None:
    nth = select(accesses.c.key).where(kind).order_by(accesses.c.key.desc()).offset(kept).limit(1).scalar_subquery()
    connection.execute(delete(accesses).where(kind, accesses.c.key <= nth))
