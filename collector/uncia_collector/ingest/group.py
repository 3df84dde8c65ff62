"""The secret name of a group's shared subscription.

The name is random and stored in the catalogue that all members use. Mosquitto lets any client join a shared
subscription: a trap that knew the name would get a part of the messages, and they would be lost
(docs/decisions/0015-broker-trust.md).
"""

import secrets as random

from sqlalchemy import select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import secrets
from uncia_collector.catalogue.sql import upsert


def shared_name(database: Database, group: str) -> str:
    """The name that follows `$share/` in the topics of this group; empty without a group."""
    if not group:
        return ""
    row = {"name": f"group {group}"[:40], "value": random.token_hex(16)}
    with database.writing() as connection:
        connection.execute(upsert(connection, secrets, row, ["name"]))  # the first member's value stays
        value = connection.execute(select(secrets.c.value).where(secrets.c.name == row["name"])).scalar_one()
    return f"{group}-{value}"
