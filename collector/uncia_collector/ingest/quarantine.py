"""Keeps the newest 1,000 refused messages (the first 64 KiB of each) for the page."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select

from uncia_collector.catalogue.schema import quarantine
from uncia_collector.ingest.wire_messages import RefusedMessage

KEPT = 1000
KEPT_BYTES = 64 * 1024


def add(connection: Connection, refused: Sequence[RefusedMessage], now: datetime) -> None:
    """Store refused messages; delete the oldest beyond `KEPT`."""
    connection.execute(insert(quarantine), [_row(message, now) for message in refused])
    newest = connection.execute(select(func.max(quarantine.c.key))).scalar_one()
    connection.execute(delete(quarantine).where(quarantine.c.key <= newest - KEPT))


def _row(message: RefusedMessage, now: datetime) -> dict[str, Any]:
    return {
        "at": now,
        "trap": message.trap,
        "topic": _text(message.topic),
        "reason": _text(message.reason),
        "size": max(message.size, len(message.payload)),
        "payload": message.payload[:KEPT_BYTES],
    }


def _text(text: str) -> str:
    """The text in a form that every database accepts: valid UTF-8, no NUL, at most 300 characters."""
    return text[:300].encode("utf-8", "replace").decode().replace("\0", "\ufffd")
