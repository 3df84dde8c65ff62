"""Metrics for Prometheus, read from the catalogue and the ingest at each request."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Source
from sqlalchemy import func, select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.overdue import camera_silences, silence
from uncia_collector.catalogue.schema import chunks, tallies, traps
from uncia_collector.catalogue.sightings import count_by_label
from uncia_contract.messages.records import TrapState, camera_name, decode

FAULTS = frozenset(
    {"states", "garbage", "conflicts", "mismatches", "not_jpeg", "retained", "over_budget", "waiting_dropped"}
)


class IngestHealth(Protocol):
    """The part of the ingest that the metrics read."""

    @property
    def connected(self) -> bool:
        """Whether the ingest is subscribed at the broker now."""

    trouble: str
    dropped: int
    refusals: int


class CatalogueMetrics(Source):
    """Counts, sightings, waiting chunks, silence and faults of each trap, and the ingest's health.

    No login is needed to read them, so they hold no sightings by trap.
    """

    def __init__(self, database: Database, ingest: IngestHealth | None) -> None:
        self.database, self.ingest = database, ingest

    def collect(self) -> Iterator[Metric]:
        """Yield all metric families."""
        now = datetime.now(UTC)
        with self.database.reading() as connection:
            counted = connection.execute(select(tallies)).all()
            seen = connection.execute(select(traps)).all()
            waiting = connection.execute(select(func.count()).select_from(chunks)).scalar_one()
            sighted = count_by_label(connection)
        events = CounterMetricFamily("uncia_events", "What arrived, by kind; faults by trap", labels=["kind", "trap"])
        for (kind, trap), count in sorted(_public_counts(counted).items()):
            events.add_metric([kind, trap], count)
        yield events
        sightings = GaugeMetricFamily("uncia_sightings", "Events that show the animal", labels=["label"])
        for label, count in sorted(sighted.items()):
            sightings.add_metric([label], count)
        yield sightings
        yield GaugeMetricFamily("uncia_chunks_waiting", "Chunks of unfinished frames", waiting)
        silent = GaugeMetricFamily("uncia_trap_silence_seconds", "Since a trap was heard", labels=["trap"])
        overdue = GaugeMetricFamily("uncia_trap_overdue", "1 when silent beyond its rhythm", labels=["trap"])
        for row in seen:
            now_silent = silence(row, now)
            silent.add_metric([row.trap], now_silent.silent_s)
            overdue.add_metric([row.trap], float(now_silent.is_overdue))
            cameras = {} if row.state is None else camera_silences(row, decode(row.state, TrapState), now)
            for camera, of_it in cameras.items():
                overdue.add_metric([camera_name(row.trap, camera)], float(of_it.is_overdue))
        yield silent
        yield overdue
        if self.ingest is not None:
            yield GaugeMetricFamily("uncia_broker_connected", "1 when subscribed", float(self.ingest.connected))
            yield GaugeMetricFamily("uncia_storing", "0 while nothing can be stored", float(not self.ingest.trouble))
            yield CounterMetricFamily("uncia_storage_refusals", "Batches not stored at once", self.ingest.refusals)
            yield CounterMetricFamily("uncia_dropped", "Messages not taken in, unacknowledged", self.ingest.dropped)


def _public_counts(counted: Sequence[Any]) -> Counter[tuple[str, str]]:
    """Counts by (kind, trap). Only faults are by trap; other counts could reveal a trap's sightings."""
    counts: Counter[tuple[str, str]] = Counter()
    for row in counted:
        counts[row.name, row.trap if row.name in FAULTS else ""] += row._mapping["count"]
    return counts


def exposition(database: Database, ingest: IngestHealth | None) -> bytes:
    """The metrics in Prometheus' text format."""
    registry = CollectorRegistry()
    registry.register(CatalogueMetrics(database, ingest))
    return generate_latest(registry)
