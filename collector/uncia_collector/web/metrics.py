"""Metrics for Prometheus, read from the catalogue and the ingest at each scrape."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Protocol

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector as Source
from sqlalchemy import func, select

from uncia_collector.catalogue.database import Database
from uncia_collector.catalogue.overdue import silence
from uncia_collector.catalogue.schema import chunks, tallies, traps
from uncia_collector.catalogue.sightings import count_by_label


class IngestHealth(Protocol):
    """What the metrics ask of the ingest."""

    @property
    def connected(self) -> bool:
        """Subscribed now."""

    trouble: str
    dropped: int
    refusals: int


class CatalogueMetrics(Source):
    """Tallies and sightings by trap, waiting chunks, each trap's silence, the ingest's health."""

    def __init__(self, database: Database, ingest: IngestHealth | None) -> None:
        self.database, self.ingest = database, ingest

    def collect(self) -> Iterator[Metric]:
        """All families."""
        now = datetime.now(UTC)
        with self.database.reading() as connection:
            counted = connection.execute(select(tallies)).all()
            seen = connection.execute(select(traps)).all()
            waiting = connection.execute(select(func.count()).select_from(chunks)).scalar_one()
            sighted = count_by_label(connection)
        events = CounterMetricFamily("uncia_events", "What arrived, by kind and trap", labels=["kind", "trap"])
        for row in counted:
            events.add_metric([row.name, row.trap], row._mapping["count"])
        yield events
        sightings = GaugeMetricFamily("uncia_sightings", "Events that show the animal", labels=["trap", "label"])
        for (trap, label), count in sorted(sighted.items()):
            sightings.add_metric([trap, label], count)
        yield sightings
        yield GaugeMetricFamily("uncia_chunks_waiting", "Chunks of unfinished frames", waiting)
        silent = GaugeMetricFamily("uncia_trap_silence_seconds", "Since a trap was heard", labels=["trap"])
        overdue = GaugeMetricFamily("uncia_trap_overdue", "1 when silent beyond its rhythm", labels=["trap"])
        for row in seen:
            now_silent = silence(row, now)
            silent.add_metric([row.trap], now_silent.silent_s)
            overdue.add_metric([row.trap], float(now_silent.is_overdue))
        yield silent
        yield overdue
        if self.ingest is not None:
            yield GaugeMetricFamily("uncia_broker_connected", "1 when subscribed", float(self.ingest.connected))
            yield GaugeMetricFamily("uncia_storing", "0 while nothing can be stored", float(not self.ingest.trouble))
            yield CounterMetricFamily("uncia_storage_refusals", "Batches not stored at once", self.ingest.refusals)
            yield CounterMetricFamily("uncia_dropped", "Messages not taken in, unacknowledged", self.ingest.dropped)


def exposition(database: Database, ingest: IngestHealth | None) -> bytes:
    """The text that Prometheus scrapes."""
    registry = CollectorRegistry()
    registry.register(CatalogueMetrics(database, ingest))
    return generate_latest(registry)
