"""`uncia-trap doctor` against a real broker with the shipped access list, and the real collector."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from tests.end_to_end.test_commands import Base, base, station, wait

from uncia_collector.catalogue.schema import traps
from uncia_collector.runtime import Collector
from uncia_collector.settings import read_settings
from uncia_contract.messages.records import TrapState, decode, encode
from uncia_contract.messages.tls import Tls
from uncia_contract.messages.topics import Topics
from uncia_edge.cli import broker_checks, certificate_checks
from uncia_edge.cli.broker_checks import lines
from uncia_edge.delivery.link import Acknowledged, Broker, Connected, Disconnected, Link, MqttMessage, broker_of
from uncia_edge.outbox.state_folder import claimed
from uncia_edge.service.link_report import read_status
from uncia_edge.service.runtime import Runtime
from uncia_edge.settings import TrapSettings

__all__ = ["base", "station"]


@pytest.fixture
def collector(base: Base) -> Iterator[Collector]:
    settings = msgspec.structs.replace(read_settings(base.toml), http=None)
    collector = Collector(settings)
    collector.start()
    collector.wait_ready()
    yield collector
    collector.stop()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(broker_checks, "LINGER_S", 0.3)
    monkeypatch.setattr(broker_checks, "ANSWER_S", 1.5)


def told(settings: TrapSettings) -> dict[str, tuple[str, str]]:
    """Status and detail of each line, by its part."""
    return {line.part: (line.status, line.detail) for line in lines(settings)}


def rows_of_traps(collector: Collector) -> list[Any]:
    with collector.database.reading() as connection:
        return [*connection.execute(traps.select())]


def test_all_is_tried_and_nothing_is_left_behind(base: Base, collector: Collector) -> None:
    """It connects, subscribes and gets a receipt; for the base station the trap is still not seen."""
    found = told(base.trap)
    assert [status for status, _ in found.values()] == ["ok", "ok", "ok"]
    assert "its receipt arrived" in found["collector"][1]
    assert rows_of_traps(collector) == []


def test_a_trap_that_may_not_write_is_told(base: Base, collector: Collector) -> None:
    """Its certificate has another name: the broker accepts the connection and refuses every message."""
    found = told(msgspec.structs.replace(base.trap, trap="ridge-02"))
    assert found["connection"][0] == "ok"
    assert found["collector"] == (
        "failed", "the broker lets ridge-02 connect but refuses what it publishes (reason code 0x87)",
    )  # fmt: skip


@pytest.mark.parametrize(("trap", "status"), [("ridge-01", "ok"), ("ridge-02", "failed")])
def test_the_certificates_name_is_compared(base: Base, trap: str, status: str) -> None:
    """The access list identifies a trap by it."""
    [line] = certificate_checks.name_lines(Path(base.trap.broker.certificate), trap)
    assert (line.status, bool(line.remedy)) == (status, status != "ok")


def test_a_base_station_without_its_collector_is_a_warning(base: Base) -> None:
    """Sequences wait on disk."""
    assert told(base.trap)["collector"] == ("warning", "no collector is connected to the broker")


def test_a_collector_that_does_not_answer_is_a_warning(base: Base, collector: Collector) -> None:
    """It has a session at the broker but is stopped."""
    collector.ingest.stop()
    assert told(base.trap)["collector"][1].startswith("no receipt within")


def test_a_running_service_tells_of_its_own_connection(base: Base, collector: Collector) -> None:
    """The doctor does not connect; without the broker, it gives the service's reason."""
    with claimed(Path(base.trap.state)), Runtime(base.trap) as trap:
        wait(lambda: trap.delivery.connected)
        [line] = lines(base.trap)
        assert (line.status, "the service is connected" in line.detail) == ("ok", True)
        base.stop_broker()
        wait(lambda: not trap.delivery.connected)
        wait(lambda: "Connection refused" in read_status(Path(base.trap.state)).reason)
        [line] = lines(base.trap)
    assert (line.status, "has no link" in line.detail) == ("warning", True)


def test_a_running_service_that_is_refused_says_so(base: Base, collector: Collector) -> None:
    """The broker accepts the connection and refuses all messages."""
    settings = msgspec.structs.replace(base.trap, trap="ridge-02")
    with claimed(Path(settings.state)), Runtime(settings) as trap:
        wait(lambda: trap._link_report.status.refused)
        [line] = lines(settings)
    assert (line.status, "reason code 0x87" in line.detail) == ("failed", True)


def test_two_traps_with_one_id_are_told_by_both(base: Base, collector: Collector) -> None:
    """By the doctor of one of them, and in the state of the other one, which runs."""
    with Runtime(msgspec.structs.replace(base.trap, state=str(base.folder / "other"))) as other:
        wait(lambda: other.delivery.connected)
        broker_checks.LINGER_S = 3.0
        found = told(base.trap)
        assert found["collector"][0] == "failed"
        assert "another program connects as ridge-01" in found["collector"][1]
        with Runtime(base.trap) as second:
            wait(lambda: other._link_report.problem and second._link_report.problem, 90)
        assert "another program connects as ridge-01" in "".join(other._problems())


def another_machine(base: Base) -> Link:
    """The link of another machine with this trap's certificate, such as one whose card was copied."""
    link = Link(broker_of(base.trap.broker), Topics("ridge-01"))
    link.open()
    assert isinstance(link.events.get(timeout=10), Connected)
    return link


def test_a_trap_knows_another_one_by_the_state_that_stands_at_the_broker(base: Base, collector: Collector) -> None:
    """A retained state with another boot id is proof at once; without one, four lost connections are needed."""
    with Runtime(base.trap) as trap:
        wait(lambda: rows_of_traps(collector) and rows_of_traps(collector)[0].state)
        state = msgspec.structs.replace(decode(rows_of_traps(collector)[0].state, TrapState), boot_id="another")
        other = another_machine(base)
        other.publish(MqttMessage(Topics("ridge-01").state, encode(state), retain=True))
        wait(lambda: trap._link_report.problem)
        other.close()
        assert "another trap writes as ridge-01" in "".join(trap._problems())


def test_a_trap_that_was_restarted_is_no_other(base: Base, collector: Collector) -> None:
    """The retained state is of its earlier boot: no proof of another trap, even after a lost link."""
    with Runtime(base.trap):
        wait(lambda: rows_of_traps(collector) and rows_of_traps(collector)[0].state)
    state = msgspec.structs.replace(decode(rows_of_traps(collector)[0].state, TrapState), boot_id="before")
    link = another_machine(base)
    link.publish(MqttMessage(Topics("ridge-01").state, encode(state), retain=True))
    wait(lambda: isinstance(link.events.get(timeout=10), Acknowledged))
    link.close()
    with Runtime(base.trap) as trap:
        wait(lambda: trap.delivery.connected and trap._link_report._first_state)
        another_machine(base).close()  # the doctor, which writes no state
        wait(lambda: trap._link_report._was_connected and trap.delivery.connected)
        trap.tell_state()
        assert trap._link_report.problem is None


def reason_of(base: Base, tls: Tls) -> str:
    link = Link(Broker("localhost", base.trap.broker.port, tls=tls), Topics("ridge-01"))
    link.open()
    event = link.events.get(timeout=10)
    link.close()
    assert isinstance(event, Disconnected)
    return event.reason


def test_no_link_gives_the_brokers_reason(base: Base) -> None:
    """Paho says only `Unspecified error` if the broker requires a certificate and gets none."""
    assert "certificate required" in reason_of(base, Tls(Path(base.trap.broker.ca)))
