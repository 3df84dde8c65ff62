"""The catalogue's tables, the same on SQLite and PostgreSQL.

Decides columns, keys and indexes; `migrations` builds them, `ingest.store` writes the messages of traps. A sequence is
identified by (trap, id), because a trap may send only under its own name. Times are UTC.
"""

from datetime import UTC, datetime
from typing import Any

import msgspec
from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Computed,
    DateTime,
    Dialect,
    Float,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC datetime, stored without its zone (SQLite has no zones)."""

    impl = DateTime
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Naive UTC for the database."""
        return None if value is None else value.astimezone(UTC).replace(tzinfo=None)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Aware UTC for Python."""
        return None if value is None else value.replace(tzinfo=UTC)


class LabelProbabilities(TypeDecorator[dict[str, float]]):
    """The probability of each positive label, the highest first; stored as a JSON object."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: dict[str, float] | None, dialect: Dialect) -> str | None:
        """JSON for the database."""
        if value is None:
            return None
        return msgspec.json.encode(dict(sorted(value.items(), key=lambda item: -item[1]))).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> dict[str, float] | None:
        """A dict for Python."""
        return None if value is None else msgspec.json.decode(value, type=dict[str, float])


class Labels(TypeDecorator[tuple[str, ...]]):
    """Labels in order; stored as a JSON array, NULL for none."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: tuple[str, ...] | None, dialect: Dialect) -> str | None:
        """JSON for the database."""
        return msgspec.json.encode(value).decode() if value else None

    def process_result_value(self, value: str | None, dialect: Dialect) -> tuple[str, ...]:
        """A tuple for Python."""
        return () if value is None else msgspec.json.decode(value, type=tuple[str, ...])


# Columns for the gallery's filters, which the database computes from other columns.
STANDINGS = ("open", "passed", "confirmed", "rejected", "relabelled")  # passed: rejected by the trap, not reviewed
STANDING = "CASE WHEN review <> 'open' THEN review WHEN positive THEN 'open' ELSE 'passed' END"
CALLED = "coalesce(review_label, label)"
BANDS = 20  # of the score, 0.05 wide, so that the usual minimum scores are limits of bands
_ARMS = " ".join(f"WHEN confidence >= {number / BANDS} THEN {number}" for number in range(BANDS, 0, -1))
SCORE_BAND = f"CASE {_ARMS} ELSE 0 END"

_IN_TIME = ("started_at", "trap", "id")
_TRIED = ("standing", "called", "confidence")  # in the index, so that testing them does not read the row
_UNDER_WAY = text("completed_at IS NULL")
_OF_SEVERAL = text("also_called IS NOT NULL")

metadata = MetaData()

sequences = Table(
    "sequences",
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("id", String(64), primary_key=True),
    Column("event", String(64), nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("completed_at", UtcTime),
    Column("frames", Integer, nullable=False),
    Column("frames_stored", Integer, nullable=False, default=0),
    Column("frames_scored", Integer, nullable=False),
    Column("best_frame", Integer, nullable=False),
    Column("confidence", Float, nullable=False),
    Column("upper_bound", Boolean, nullable=False),
    Column("threshold", Float, nullable=False),
    Column("positive", Boolean, nullable=False),  # a test sighting is not positive
    Column("label", String(255), nullable=False),  # the positive label with the highest probability
    Column("probabilities", LabelProbabilities),  # only where the bundle has several positive labels
    Column("audit", Boolean, nullable=False),
    Column("test", Boolean, nullable=False, default=False, server_default=false()),  # a test sighting, made on request
    Column("camera", String(64), nullable=False, default="", server_default=""),  # of a hub; else empty
    Column("historical", Boolean, nullable=False),
    Column("clock_synchronised", Boolean, nullable=False),
    Column("clock_source", String(8), nullable=False),
    Column("bundle", String(255), nullable=False),
    Column("bundle_version", Integer, nullable=False),
    Column("bundle_sha256", String(64), nullable=False),
    Column("fingerprint", String(64), nullable=False),  # of the frames' hashes: the same id with another one conflicts
    Column("record", LargeBinary, nullable=False),  # the record as it came
    Column("review", String(12), nullable=False, default="open"),  # open, confirmed, rejected, relabelled
    Column("review_label", String(255)),
    Column("also_called", Labels),  # labels that the standing answer names besides `called`
    Column("origin", String(64), nullable=False, default="", server_default=""),  # the survey it was imported with
    Column("clock_shift_s", Float, nullable=False, default=0.0, server_default="0"),  # its times minus its record's
    Column("standing", String(12), Computed(STANDING)),
    Column("called", String(255), Computed(CALLED)),
    Column("score_band", Integer, Computed(SCORE_BAND)),
    Index("sequences_started", *_IN_TIME),
    Index("sequences_trap", "trap", "started_at", "id", *_TRIED),
    Index("sequences_standing", "standing", *_IN_TIME, "confidence"),
    Index("sequences_scored", "standing", "score_band", *_IN_TIME, "confidence"),
    Index("sequences_called", "called", "standing", *_IN_TIME, "confidence"),
    Index("sequences_called_scored", "called", "standing", "score_band", *_IN_TIME, "confidence"),
    Index(
        "sequences_audit", *_IN_TIME, *_TRIED, sqlite_where=text("audit IS 1"), postgresql_where=text("audit IS true")
    ),
    Index("sequences_test", *_IN_TIME, *_TRIED, sqlite_where=text("test IS 1"), postgresql_where=text("test IS true")),
    Index("sequences_incomplete", *_IN_TIME, *_TRIED, sqlite_where=_UNDER_WAY, postgresql_where=_UNDER_WAY),
    Index("sequences_of_several", "also_called", *_IN_TIME, sqlite_where=_OF_SEVERAL, postgresql_where=_OF_SEVERAL),
)

# Derived from the sequences at each commit (`catalogue.events`): runs of one trap that show the same.
events = Table(
    "events",
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("first", String(64), primary_key=True),  # the id of its first sequence
    Column("label", String(255), primary_key=True),  # what it shows; empty for nothing
    Column("sighting", Boolean, nullable=False),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime, nullable=False),
    Column("sequences", Integer, nullable=False),
    Column("camera", String(64), nullable=False, default="", server_default=""),
    Index("events_ended", "trap", "ended_at", "started_at"),
    Index("events_sightings", "sighting", "started_at", "trap", "label"),
    Index("events_of_trap", "trap", "sighting", "started_at", "label"),
    Index("events_of_label", "trap", "label", "sighting", "started_at"),
)

event_months = Table(
    "event_months",  # starts of events, packed (`catalogue.events.starts`), without events that show nothing
    metadata,
    Column("trap", String(64), primary_key=True),  # `trap/camera` for a hub
    Column("label", String(255), primary_key=True),
    Column("sighting", Boolean, primary_key=True),
    Column("month", String(7), primary_key=True),
    Column("starts", LargeBinary, nullable=False),
)

unsettled = Table(
    "unsettled",  # written by triggers: a sequence was added, or those between these times were changed
    metadata,
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("trap", String(32), nullable=False),
    Column("since", UtcTime, nullable=False),
    Column("until", UtcTime, nullable=False),
    Column("sequence", String(64)),  # the added one; NULL for other changes
)

facts = Table(
    "facts",  # values for the whole catalogue
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(255), nullable=False),
)

frames = Table(
    "frames",
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("sequence", String(64), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("name", String(255), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", Integer, nullable=False),
    Column("taken_at", UtcTime),
    Column("score", Float),
    Column("region", String(100)),  # left,top,width,height in fractions of the oriented frame
    # missing, stored, quarantined (not a JPEG), elsewhere (of an imported survey: `path` is its address, if short)
    Column("status", String(12), nullable=False, default="missing"),
    Column("path", String(200)),  # relative to the data folder
    Column("width", Integer),
    Column("height", Integer),
)

chunks = Table(
    "chunks",
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("sequence", String(64), primary_key=True),
    Column("n", Integer, primary_key=True),
    Column("start", Integer, primary_key=True),
    Column("sha256", String(64), primary_key=True),
    Column("end", Integer, nullable=False),
    Column("size", Integer, nullable=False),
    Column("received_at", UtcTime, nullable=False),
    Column("content", LargeBinary, nullable=False),
    Index("chunks_received", "received_at"),
)

traps = Table(
    "traps",
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("first_seen_at", UtcTime, nullable=False),
    Column("last_seen_at", UtcTime, nullable=False),
    Column("availability", String(12)),
    Column("availability_at", UtcTime),
    Column("state", LargeBinary),
    Column("state_at", UtcTime),
    Column("gaps_s", String(2000), nullable=False, default=""),  # the last silences between contacts, newest last
    Column("sleeps_s", String(2000), nullable=False, default="", server_default=""),  # announced sleeps, newest last
    Column("boots", String(600), nullable=False, default="", server_default=""),  # BOOT=UPTIME,..., the newest last
    Column("doubled_at", UtcTime),  # when two machines with this id were last noticed
)

health = Table(
    "health",  # by hour, for two years; see `effort.hours`
    metadata,
    Column("trap", String(32), primary_key=True),  # "" for the station itself
    Column("hour", UtcTime, primary_key=True),
    Column("kind", String(8), nullable=False),  # awake, blind, ran, asleep
    Column("battery_v", Float),
    Column("temperature_c", Float),
    Column("outbox_sequences", Integer),
)

health_days = Table(
    "health_days",  # the kinds of `health` by UTC day: one letter per hour, a dot for an unknown hour
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("day", String(10), primary_key=True),
    Column("hours", String(24), nullable=False),
)

camera_signs = Table(
    "camera_signs",  # the first and last sign of life of a hub's cameras, by the station's clock
    metadata,
    Column("trap", String(32), primary_key=True),
    Column("camera", String(64), primary_key=True),
    Column("first_at", UtcTime, nullable=False),
    Column("last_at", UtcTime, nullable=False),
)

quarantine = Table(
    "quarantine",
    metadata,
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("trap", String(32), nullable=False, default=""),
    Column("topic", String(300), nullable=False),
    Column("reason", String(300), nullable=False),
    Column("size", Integer, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # its first 64 KiB
)

tallies = Table(
    "tallies",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("trap", String(32), primary_key=True),
    Column("count", BigInteger, nullable=False),
)

observations = Table(
    "observations",
    metadata,
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("trap", String(32), nullable=False),
    Column("sequence", String(64), nullable=False),
    Column("answer", BigInteger, nullable=False),  # number within the sequence: observations of one answer share it
    Column("reviewer", String(64), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("verdict", String(12), nullable=False),  # on the model's label: confirmed, rejected, relabelled
    Column("taxon", String(255)),  # the checklist's label, or the person's word; NULL for `rejected`
    Column("said", String(255)),  # the person's own word, if any
    Column("count", Integer),
    Column("sex", String(12), nullable=False, default=""),
    Column("life_stage", String(12), nullable=False, default=""),
    Column("certainty", String(12), nullable=False, default=""),
    Column("note", String(1000), nullable=False, default=""),
    Column("undone", Boolean, nullable=False, default=False),
    Column("observation", String(255)),  # the id of an imported survey's observation
    Index("observations_of", "trap", "sequence", "key"),
    Index("observations_by", "reviewer", "key"),
)

users = Table(
    "users",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("password", String(200), nullable=False),  # argon2id
    Column("role", String(16), nullable=False),  # viewer, reviewer, administrator
    Column("created_at", UtcTime, nullable=False),
    Column("language", String(12), nullable=False, default="", server_default=""),
)

logins = Table(
    "logins",
    metadata,
    Column("token_sha256", String(64), primary_key=True),
    Column("name", String(64), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("expires_at", UtcTime, nullable=False),
)

accesses = Table(
    "accesses",
    metadata,
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("name", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("what", String(24), nullable=False),  # see catalogue.access.log
    Column("detail", String(200), nullable=False),
)

secrets = Table(
    "secrets",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("value", String(64), nullable=False),
)

deployments = Table(
    "deployments",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("trap", String(64), nullable=False),
    Column("location_id", String(64), nullable=False),
    Column("location_name", String(255), nullable=False, default=""),
    Column("latitude", Float, nullable=False),
    Column("longitude", Float, nullable=False),
    Column("uncertainty_m", Integer),
    Column("started_at", UtcTime, nullable=False),
    Column("ended_at", UtcTime),
    Column("setup_by", String(255), nullable=False, default=""),
    Column("camera_model", String(255), nullable=False, default=""),
    Column("comments", String(1000), nullable=False, default=""),
    Column("origin", String(64), nullable=False, default="", server_default=""),
    Column("clock_shift_s", Float, nullable=False, default=0.0, server_default="0"),  # how far the clock was behind
    Column("standard", LargeBinary),  # of an imported survey: the row as it came, as JSON
    Index("deployments_of", "trap", "started_at"),
)

surveys = Table(
    "surveys",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("title", String(255), nullable=False),
    Column("imported_at", UtcTime, nullable=False),
    Column("description", LargeBinary, nullable=False),  # its datapackage.json without the resources
    Column("sequences", Integer, nullable=False),
    Column("media", Integer, nullable=False),
    Column("media_stored", Integer, nullable=False),
    Column("observations", Integer, nullable=False),
)

alerts = Table(
    "alerts",
    metadata,
    Column("key", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("at", UtcTime, nullable=False),
    Column("channel", String(12), nullable=False),  # webhook, mail
    Column("kind", String(12), nullable=False),  # sighting, digest
    Column("subject", String(255), nullable=False),
    Column("outcome", String(300), nullable=False),  # sent, or why not
    Index("alerts_at", "channel", "at"),
)
