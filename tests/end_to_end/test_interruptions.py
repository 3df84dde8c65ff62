"""Broker or collector stop during delivery: no sequence is lost or stored twice."""

import hashlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.conftest import Mosquitto
from tests.end_to_end.conftest import record_bursts

from uncia_collector.catalogue.listing import listing
from uncia_collector.runtime import Collector
from uncia_collector.settings import BrokerSettings as CollectorBroker
from uncia_collector.settings import CollectorSettings
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import BrokerSettings, CameraSettings, TrapSettings

BURSTS = 6


class Station:
    """A trap, and a base station whose broker and collector can be stopped and started."""

    def __init__(self, folder: Path, bundle: Path, broker: Mosquitto) -> None:
        self.folder, self.broker = folder, broker
        self.recording = record_bursts(folder / "recording", BURSTS)
        self.settings = TrapSettings(
            trap="ridge-1",
            bundle=str(bundle),
            state=str(folder / "state"),
            camera=CameraSettings(folder=str(self.recording)),
            broker=BrokerSettings(port=broker.port),
        )
        self.collector: Collector | None = None
        self.start_collector()

    def start_collector(self) -> None:
        """Start a collector with the same data folder."""
        settings = CollectorSettings(
            data=str(self.folder / "data"), broker=CollectorBroker(port=self.broker.port), http=None
        )
        self.collector = Collector(settings)
        self.collector.start()
        self.collector.wait_ready()

    def stop_collector(self) -> None:
        """Stop the collector normally, as systemd does."""
        if self.collector is not None:
            self.collector.stop()
            self.collector = None

    def run(self, interrupt: Callable[[], None], resume: Callable[[], None]) -> list[str]:
        """Observe all bursts; interrupt after the first, resume after the last. Return the sequence ids in order."""
        ids: list[str] = []
        with Runtime(self.settings) as runtime:
            for burst in runtime.camera.bursts():
                observation = runtime.observe(burst)
                assert observation.record is not None
                ids.append(observation.record.id)
                if len(ids) == 1:
                    interrupt()
            resume()
            assert runtime.wait_delivered(60), runtime.outbox.queries.waiting()
        return ids

    def stored(self) -> list[tuple[str, list[str]]]:
        """Each sequence in the catalogue, with the sha256 of its files' bytes."""
        assert self.collector is not None
        return [
            (
                row["id"],
                [hashlib.sha256((self.folder / "data" / f["path"]).read_bytes()).hexdigest() for f in row["files"]],
            )
            for row in listing(self.collector.database)
        ]

    def recorded(self) -> list[list[str]]:
        """The sha256 of every recorded frame, for each burst."""
        folders = sorted(self.recording.iterdir())
        return [[hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.iterdir())] for folder in folders]


@pytest.fixture
def station(tmp_path: Path, eager_bundle: Path, mosquitto: Mosquitto) -> Iterator[Station]:
    """A running base station, and a trap with six bursts to send."""
    station = Station(tmp_path, eager_bundle, mosquitto)
    yield station
    station.stop_collector()


def restart_broker(station: Station) -> None:
    """Wait until a program listens again."""
    station.broker.start()
    time.sleep(0)


@pytest.mark.parametrize("how", ["stop", "kill"])
def test_a_broker_that_goes_and_comes_back_loses_and_doubles_nothing(station: Station, how: str) -> None:
    """Every sequence is in the catalogue once, every frame with the recorded bytes."""
    ids = station.run(getattr(station.broker, how), lambda: restart_broker(station))
    assert sorted(station.stored()) == sorted(zip(ids, station.recorded(), strict=True))


def test_a_collector_that_goes_and_comes_back_loses_and_doubles_nothing(station: Station) -> None:
    """The receipts come later, and only after the commit."""
    ids = station.run(station.stop_collector, station.start_collector)
    assert sorted(station.stored()) == sorted(zip(ids, station.recorded(), strict=True))
