"""The running station notes the hours in which it listened."""

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import select

from uncia_collector.catalogue.schema import health
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings, CollectorSettings


@pytest.mark.heavy
def test_hours_are_noted_while_the_broker_is_there(mosquitto, tmp_path):
    """Once an hour; not while messages cannot be stored, nor after the collector stopped."""
    settings = CollectorSettings(
        data=str(tmp_path), broker=BrokerSettings(port=mosquitto.port), http=None, min_free_bytes=0
    )
    now, collector = datetime(2030, 1, 1, 0, 30, tzinfo=UTC), Collector(settings)
    collector.start()
    collector.wait_ready()
    for minutes in (0, 10, 40):
        collector._note_listening(now + timedelta(minutes=minutes))
    collector.ingest.trouble = "the disk is full"
    collector._note_listening(now + timedelta(hours=2))
    collector.ingest.trouble = ""
    collector.ingest.stop()
    collector._note_listening(now + timedelta(hours=3))
    with collector.database.reading() as connection:
        hours = (
            connection.execute(select(health.c.hour).where(health.c.hour >= now - timedelta(hours=1))).scalars().all()
        )
    collector.stop()

    assert hours == [now.replace(minute=0), now.replace(minute=0) + timedelta(hours=1)]
