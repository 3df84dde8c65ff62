"""Sends alerts of sightings by webhook and e-mail, limited in number, and a digest a day.

Decides when: #1 a sighting (an event, however many sequences) by its first complete positive sequence that is not
historical, once; #2 at most `per_hour` a channel, the rest
waits; #3 a digest a day, at `digest_hour`, of what came since the one before, if anything did. Neither holds
coordinates. Off unless configured. A channel that fails (#4) is logged, tried again with the next round, and keeps no
other from its own.
"""

import json
import smtplib
import ssl
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from email.message import EmailMessage
from itertools import takewhile
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, insert, select, tuple_

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.events.finding import event_of, sightings_between
from uncia_collector.catalogue.schema import alerts, sequences
from uncia_collector.logs import logger
from uncia_collector.settings import AlertSettings, CollectorSettings
from uncia_contract.errors import ConfigurationError

FRESH = timedelta(days=2)
DIGESTED = timedelta(days=7)  # the longest time that a digest looks back
TIMEOUT_S = 15
log = logger("alerts")

Send = Callable[[str, dict[str, Any]], None]  # (subject, content)


@dataclass(frozen=True)
class Channel:
    """A way to send alerts."""

    name: str
    send: Send


class Alerts:
    """Sends what is new in the catalogue; `send_due` is called every so often."""

    def __init__(self, settings: CollectorSettings, database: Database) -> None:
        self.settings, self.database = settings.alerts, database
        self.station, self.zone = settings.station, settings.zone
        self.channels = channels(settings.alerts)

    def send_due(self, now: datetime) -> int:
        """Send what is due; how many messages went out."""
        return sum(self._sightings(channel, now) + self._digest(channel, now) for channel in self.channels)

    def _sightings(self, channel: Channel, now: datetime) -> int:
        with self.database.reading() as connection:
            left = self.settings.per_hour - _sent_since(connection, channel.name, now - timedelta(hours=1))  # #2
            rows = _unsent(connection, channel.name, now)[: max(0, left)] if left > 0 else []
        sent = (self._send(channel, "sighting", _key(row), self._sighting(row), now) for row in rows)
        return sum(takewhile(bool, sent))  # #4: not once for each of many that wait

    def _digest(self, channel: Channel, now: datetime) -> int:
        day = now.astimezone(self.zone).date()
        if now < (until := self._digest_at(day)):
            return 0
        with self.database.reading() as connection:
            last = _last_digest(connection, channel.name) or day - timedelta(days=1)
            if last >= day:
                return 0
            since = self._digest_at(max(last, day - DIGESTED))
            found = sightings_between(connection, since, until)
        seen, labels = (_counted(getattr(event, by) for event in found) for by in ("trap", "label"))
        content = {"kind": "digest", "station": self.station, "day": day.isoformat(), "sightings": seen}
        content |= {"labels": labels}
        return self._send(channel, "digest", day.isoformat(), content, now) if seen else 0  # #3

    def _digest_at(self, day: date) -> datetime:
        return datetime.combine(day, time(self.settings.digest_hour), self.zone)

    def _sighting(self, row: Any) -> dict[str, Any]:
        return {
            "kind": "sighting", "station": self.station, "trap": row.trap, "sequence": row.id, "label": row.label,
            "started_at": row.started_at.isoformat(), "confidence": round(row.confidence, 3),
        } | ({"probabilities": _rounded(row.probabilities)} if row.probabilities else {})  # fmt: skip

    def _send(self, channel: Channel, kind: str, subject: str, content: dict[str, Any], now: datetime) -> int:
        label = " ".join(content.get("label", "").split())  # a mail's subject is one line
        what = f"{kind} of {label}" if label else kind
        try:
            channel.send(f"{self.station}: {what} {subject}", content)
        except Exception as error:  # noqa: BLE001 - #4: whatever a server answers, or a setting holds
            log.warning("alert not sent, trying again", channel=channel.name, error=str(error)[:200])
            return 0
        row = {"at": now, "channel": channel.name, "kind": kind, "subject": subject, "outcome": "sent"}
        with self.database.writing() as connection:
            connection.execute(insert(alerts), [row])
        return 1


def channels(settings: AlertSettings) -> list[Channel]:
    """The channels that are configured."""
    found = []
    if settings.webhook:
        found.append(Channel("webhook", lambda _subject, content: _post(settings.webhook, content)))
    if settings.smtp_host and settings.mail_to:
        found.append(Channel("mail", lambda subject, content: _mail(settings, subject, content)))
    return found


def _unsent(connection: Connection, channel: str, now: datetime) -> list[Any]:
    """#1: the first complete sequence of each recent sighting that was not yet told on this channel; oldest first."""
    query = (
        select(sequences)
        .where(sequences.c.positive.is_(True), sequences.c.historical.is_(False))
        .where(sequences.c.completed_at.is_not(None), sequences.c.started_at > now - FRESH)
        .order_by(sequences.c.started_at)
    )
    sent = select(alerts.c.subject).where(alerts.c.channel == channel, alerts.c.at > now - 2 * FRESH)
    known = set(connection.execute(sent).scalars())
    rows = connection.execute(query).all()
    event = {key: (found.trap, found.first, found.sighting) for key, found in event_of(connection, rows).items()}
    told = {event[row.trap, row.id] for row in rows if _key(row) in known}
    first = {event[row.trap, row.id]: row for row in reversed(rows)}
    return [row for known, row in reversed(first.items()) if known not in told and known[2]]


def _sent_since(connection: Connection, channel: str, since: datetime) -> int:
    query = select(func.count()).where(
        tuple_(alerts.c.channel, alerts.c.kind) == tuple_(channel, "sighting"), alerts.c.at > since
    )
    return int(connection.execute(query).scalar_one())


def _last_digest(connection: Connection, channel: str) -> date | None:
    newest = select(alerts.c.subject).where(alerts.c.channel == channel, alerts.c.kind == "digest")
    day = connection.execute(newest.order_by(alerts.c.key.desc()).limit(1)).scalar_one_or_none()
    return None if day is None else date.fromisoformat(day)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _rounded(probabilities: dict[str, float]) -> dict[str, float]:
    return {label: round(one, 3) for label, one in probabilities.items()}


def _key(row: Any) -> str:
    return f"{row.trap}/{row.id}"


def _post(url: str, content: dict[str, Any]) -> None:
    request = urllib.request.Request(url, json.dumps(content).encode(), {"content-type": "application/json"})  # noqa: S310
    with urllib.request.urlopen(request, timeout=TIMEOUT_S):  # noqa: S310 - http(s) only, see AlertSettings
        pass


def _as_text(value: Any) -> str:
    return ", ".join(f"{name} {part}" for name, part in value.items()) if isinstance(value, dict) else str(value)


def _mail(settings: AlertSettings, subject: str, content: dict[str, Any]) -> None:
    message = EmailMessage()
    message["Subject"], message["From"], message["To"] = subject, settings.mail_from, ", ".join(settings.mail_to)
    message.set_content("\n".join(f"{name}: {_as_text(value)}" for name, value in content.items()))
    with _mail_server(settings) as server:
        server.send_message(message)


@contextmanager
def _mail_server(settings: AlertSettings) -> Iterator[smtplib.SMTP]:
    """A session with the mail server, logged in; with TLS its certificate is checked before a password is sent."""
    with smtplib.SMTP(settings.smtp_host, settings.smtp_port, timeout=TIMEOUT_S) as server:
        if settings.smtp_starttls:
            server.starttls(context=ssl.create_default_context(cafile=settings.smtp_ca or None))
        if settings.smtp_user:
            server.login(settings.smtp_user, Path(settings.smtp_password_file).read_text(encoding="utf-8").strip())
        yield server


def check_mail(settings: AlertSettings) -> None:
    """Return when mail could be sent, or when none is configured; nothing is sent.

    Raises:
        ConfigurationError: the mail server is not there, does not prove who it is, or does not let us in.
    """
    if not (settings.smtp_host and settings.mail_to):
        return
    try:
        with _mail_server(settings):
            pass
    except (OSError, UnicodeDecodeError, smtplib.SMTPException) as error:
        where = f"[alerts] mail server {settings.smtp_host}:{settings.smtp_port}"
        raise ConfigurationError(f"{where}: {error}") from error
