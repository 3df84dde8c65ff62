"""The name of a group's shared subscription, which nobody outside the group can know.

Decides that it is a random secret in the catalogue, which all members share. Mosquitto lets anybody subscribe to
anything: a trap that knew the name would be given its share of the messages, and they would be lost
(docs/decisions/0015-broker-trust.md).
"""

import secrets as random

from sqlalchemy import select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.schema import secrets
from uncia_collector.catalogue.sql import upsert


def shared_name(database: Database, group: str) -> str:
    """What follows `$share/` in the topics of this group; empty where there is none."""
    if not group:
        return ""
    row = {"name": f"group {group}"[:40], "value": random.token_hex(16)}
    with database.writing() as connection:
        connection.execute(upsert(connection, secrets, row, ["name"]))  # the first member's stays
        value = connection.execute(select(secrets.c.value).where(secrets.c.name == row["name"])).scalar_one()
    return f"{group}-{value}"
