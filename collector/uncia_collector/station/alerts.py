"""Sends alerts of sightings on the configured channels, limited in number, and one digest a day.

#1 A sighting (an event of any number of sequences) is sent once per channel: its first complete positive sequence that
is not historical, if the rules allow it (`alert_rules`).
#2 A channel gets at most `per_hour` alerts of a trap, the newest first. A round sends one alert of each trap and then
looks again, so a trap with endless (or false) sightings does not delay the alerts of others. Each camera of a hub
counts as a trap (`trap/camera`).
#3 The digest is sent at `digest_hour` and counts the sightings since the digest before.
#4 A channel that fails is logged and tried again in the next round; the other channels are not affected.

Neither alerts nor digests hold coordinates. Nothing is sent unless it is configured.
"""

import time as clock
from collections import Counter
from collections.abc import Iterable
from datetime import date, datetime, time, timedelta
from typing import Any

from sqlalchemy import Connection, Select, func, insert, or_, select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.events.finding import event_of, sightings_between
from uncia_collector.catalogue.schema import alerts, sequences
from uncia_collector.catalogue.sql import of_sequences
from uncia_collector.logs import logger
from uncia_collector.settings import CollectorSettings
from uncia_collector.station.alert_channels import Channel, Publish, channels
from uncia_collector.station.alert_rules import told_now
from uncia_contract.messages.records import camera_name

FRESH = timedelta(days=2)
DIGESTED = timedelta(days=7)  # the longest time that a digest covers
NEWEST = 200  # sequences of each trap that a round looks at
ROUND_S = 20.0  # a round ends after this time, so that other chores run
log = logger("alerts")


class Alerts:
    """Sends new sightings of the catalogue; the collector calls `send_due` every few seconds."""

    def __init__(self, settings: CollectorSettings, database: Database, publish: Publish | None = None) -> None:
        self.settings, self.database = settings.alerts, database
        self.station, self.zone = settings.station, settings.zone
        self.channels = channels(settings.alerts, publish)

    def send_due(self, now: datetime) -> int:
        """Send what is due; return how many messages were sent."""
        return sum(self._sightings(channel, now) + self._digest(channel, now) for channel in self.channels)

    def _sightings(self, channel: Channel, now: datetime) -> int:
        until_s, count = clock.monotonic() + ROUND_S, 0
        while rows := self._due(channel, now):
            for row in rows:  # one of each trap
                if not self._send(channel, "sighting", _key(row), self._sighting(row), now):
                    return count  # #4: one attempt per round, however many alerts wait
                count += 1
            if clock.monotonic() > until_s:
                break
        return count

    def _due(self, channel: Channel, now: datetime) -> list[Any]:
        """The newest unsent sighting of each trap below its limit (#2), traps with the fewest recent alerts first."""
        with self.database.reading() as connection:
            told = _sent_since(connection, channel.name, now - timedelta(hours=1))
            newest: dict[str, Any] = {}
            for row in _unsent(connection, channel.name, now):
                wanted = told_now(self.settings.rules, channel.name, row, now, self.zone)
                if wanted and told[_name(row)] < self.settings.per_hour:
                    newest.setdefault(_name(row), row)
        return sorted(newest.values(), key=lambda row: told[_name(row)])

    def _digest(self, channel: Channel, now: datetime) -> int:
        day = now.astimezone(self.zone).date()
        if now < (until := self._digest_at(day)) or not channel.digests:
            return 0
        with self.database.reading() as connection:
            last = _last_digest(connection, channel.name) or day - timedelta(days=1)
            if last >= day:
                return 0
            since = self._digest_at(max(last, day - DIGESTED))
            found = sightings_between(connection, since, until)
        seen, labels = _counted(map(_name, found)), _counted(event.label for event in found)
        content = {"kind": "digest", "station": self.station, "day": day.isoformat(), "sightings": seen}
        content |= {"labels": labels}
        return self._send(channel, "digest", day.isoformat(), content, now) if seen else 0  # #3

    def _digest_at(self, day: date) -> datetime:
        return datetime.combine(day, time(self.settings.digest_hour), self.zone)

    def _sighting(self, row: Any) -> dict[str, Any]:
        return {
            "kind": "sighting", "station": self.station, "trap": row.trap, "sequence": row.id, "label": row.label,
            "started_at": row.started_at.isoformat(), "confidence": round(row.confidence, 3),
        } | ({"camera": row.camera} if row.camera else {}) | (
            {"probabilities": _rounded(row.probabilities)} if row.probabilities else {}
        )  # fmt: skip

    def _send(self, channel: Channel, kind: str, subject: str, content: dict[str, Any], now: datetime) -> int:
        label = " ".join(content.get("label", "").split())  # a mail's subject is one line
        what = f"{kind} of {label}" if label else kind
        which = "/".join(content[name] for name in ("trap", "camera", "sequence") if name in content) or subject
        try:
            channel.send(f"{self.station}: {what} {which}", content)
        except Exception as error:  # noqa: BLE001 - #4: any answer of a server, any wrong setting
            log.warning("alert not sent, trying again", channel=channel.name, error=str(error)[:200])
            return 0
        row = {"at": now, "channel": channel.name, "kind": kind, "subject": subject, "outcome": "sent"}
        with self.database.writing() as connection:
            connection.execute(insert(alerts), [row])
        return 1


def _unsent(connection: Connection, channel: str, now: datetime) -> list[Any]:
    """The first complete sequence of each recent sighting that was not yet sent on this channel (#1), newest first."""
    sent = select(alerts.c.subject).where(alerts.c.channel == channel, alerts.c.at > now - 2 * FRESH)
    known = set(connection.execute(sent.where(alerts.c.kind == "sighting")).scalars())
    rows = connection.execute(_recent(now, known)).all()
    event = {key: (found.trap, found.first, found.sighting) for key, found in event_of(connection, rows).items()}
    told = {event[row.trap, row.id] for row in rows if _key(row) in known}
    first = {event[row.trap, row.id]: row for row in reversed(rows)}
    unsent = [row for found, row in first.items() if found not in told and found[2]]
    return sorted(unsent, key=lambda row: row.started_at, reverse=True)


def _recent(now: datetime, known: set[str]) -> Select[Any]:
    """Recent positive sequences, newest first: the `NEWEST` of each trap, and those in `known` (already sent)."""
    place = func.row_number().over(
        partition_by=(sequences.c.trap, sequences.c.camera), order_by=sequences.c.started_at.desc()
    )
    fresh = (
        select(sequences.c.trap, sequences.c.id, place.label("place"))
        .where(sequences.c.positive.is_(True), sequences.c.historical.is_(False))
        .where(sequences.c.completed_at.is_not(None), sequences.c.started_at > now - FRESH)
        .subquery()
    )
    wanted = or_(fresh.c.place <= NEWEST, of_sequences(fresh.c.trap, fresh.c.id, _keys(known)))
    columns = (column for column in sequences.c if column.name != "record")
    same = (sequences.c.trap == fresh.c.trap) & (sequences.c.id == fresh.c.id)
    return select(*columns).join(fresh, same).where(wanted).order_by(sequences.c.started_at.desc())


def _sent_since(connection: Connection, channel: str, since: datetime) -> Counter[str]:
    """How many sightings of each trap (of a hub: of each camera) were sent on a channel since a time."""
    query = select(alerts.c.subject).where(
        alerts.c.channel == channel, alerts.c.kind == "sighting", alerts.c.at > since
    )
    keys = _keys(connection.execute(query).scalars())
    of_cameras = select(sequences.c.trap, sequences.c.id, sequences.c.camera).where(sequences.c.camera != "")
    told = connection.execute(of_cameras.where(of_sequences(sequences.c.trap, sequences.c.id, keys)))
    cameras = {(row.trap, row.id): row.camera for row in told}
    return Counter(camera_name(key[0], cameras.get(key, "")) for key in keys)


def _last_digest(connection: Connection, channel: str) -> date | None:
    newest = select(alerts.c.subject).where(alerts.c.channel == channel, alerts.c.kind == "digest")
    day = connection.execute(newest.order_by(alerts.c.key.desc()).limit(1)).scalar_one_or_none()
    return None if day is None else date.fromisoformat(day)


def _counted(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items()))


def _rounded(probabilities: dict[str, float]) -> dict[str, float]:
    return {label: round(one, 3) for label, one in probabilities.items()}


def _name(row: Any) -> str:
    return camera_name(row.trap, row.camera)


def _keys(subjects: Iterable[str]) -> list[tuple[str, str]]:
    return [(trap, sequence) for trap, _, sequence in (subject.partition("/") for subject in subjects)]


def _key(row: Any) -> str:
    return f"{row.trap}/{row.id}"
