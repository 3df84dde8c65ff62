"""All logs are JSON lines, also those of libraries; Prometheus can read the metrics."""

import io
import json
import logging
import signal
import subprocess
import sys
import threading
import urllib.request
from datetime import datetime

import pytest
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient
from tests.collector.ingest.test_subscriber import TrapClient
from tests.collector.web.test_page import state_message

from uncia_collector.ingest.wire_messages import RawMessage
from uncia_collector.logs import configure_logs, logger
from uncia_collector.settings import CollectorSettings
from uncia_collector.web.app import make_app


@pytest.fixture
def served(mosquitto, tmp_path):
    """`uncia-collect serve` in its own process; `.lines` are the lines that it has logged."""
    config = tmp_path / "collector.toml"
    config.write_text(f"data = 'data'\nmin_free_bytes = 0\n[broker]\nport = {mosquitto.port}\n[http]\nport = 0\n")
    command = [sys.executable, "-m", "uncia_collector.cli.main", "serve", "--config", str(config)]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    process.lines = []

    def lines():
        yield from [*process.lines]
        for line in process.stderr:
            process.lines.append(line)
            yield line

    def read_until(event: str) -> dict:
        """The first event of that name; wait for it. The page and the subscription start in either order."""
        for line in lines():
            if f'"{event}"' in line:
                return json.loads(line)
        raise AssertionError(f"{event!r} was not logged: {process.lines}")

    process.read_until = read_until
    yield process
    process.kill()
    process.wait()
    process.stderr.close()


@pytest.mark.heavy
def test_every_line_of_the_service_is_an_event(served, mosquitto, sent):
    """From start to stop, with a lost broker between: each line has event, level, time and fields."""
    address = served.read_until("the page is at")["address"]
    served.read_until("subscribed")
    trap = TrapClient(mosquitto.host, mosquitto.port)
    trap.send(RawMessage("uncia/v1/ridge/sequence/x", b"{"), *sent.messages())
    trap.await_complete()
    trap.close()
    assert urllib.request.urlopen(f"{address}health").status == 200
    mosquitto.kill()
    lost, away = served.read_until("connection lost"), served.read_until("broker not reachable, trying again")
    served.send_signal(signal.SIGTERM)
    served.lines += served.stderr.readlines()

    assert served.wait(60) == 0 and lost["level"] == "warning" and lost["broker"].endswith(str(mosquitto.port))
    assert (lost["reason"], away["reason"]) == ("the broker closed the connection", "Connection refused")
    for line in served.lines:
        event = json.loads(line)
        assert event["event"] and event["level"] and datetime.fromisoformat(event["timestamp"]).tzinfo


@pytest.fixture
def lines(monkeypatch):
    """Logs as `uncia-collect serve` configures them; gives the lines that were written."""
    written, root, hook = io.StringIO(), logging.getLogger(), threading.excepthook
    monkeypatch.setattr(sys, "stderr", written)
    before = root.handlers, root.level
    configure_logs()
    yield lambda: [json.loads(line) for line in written.getvalue().splitlines()]
    root.handlers, threading.excepthook = before[0], hook
    root.setLevel(before[1])
    logging.captureWarnings(False)


def test_fields_and_errors_are_one_line(lines):
    """Numbers stay numbers; a line break in a text and a traceback stay inside one line."""
    try:
        raise ValueError("first\nsecond")
    except ValueError:
        logger("ingest").exception("a mistake", trap="ridge\nx", frames=3)

    [event] = lines()
    assert (event["event"], event["trap"], event["frames"], event["level"]) == ("a mistake", "ridge\nx", 3, "error")
    assert "ValueError: first" in event["exception"]


def test_records_of_libraries_get_the_same_format(lines):
    """An error of the web server with its traceback, and an exception that ends a thread."""
    try:
        raise OSError("a wire")
    except OSError:
        logging.getLogger("uvicorn.error").exception("Exception in ASGI application\n")
    thread = threading.Thread(target=lambda: 1 / 0, name="somebody")
    thread.start()
    thread.join()

    first, second = lines()
    assert (first["logger"], first["level"]) == ("uvicorn.error", "error") and "OSError: a wire" in first["exception"]
    assert second["event"] == "a thread died: somebody" and "ZeroDivisionError" in second["exception"]


class Health:
    """Stands for an ingest that cannot store now."""

    connected, trouble, dropped, refusals = True, "disk full", 2, 5


def test_prometheus_reads_the_metrics(stored, sent):
    """Prometheus' own parser reads names, types, labels and values; no metric appears twice."""
    stored.commit(*sent.messages(), state_message(), RawMessage("uncia/v1/ridge/sequence/x", b"{"))
    client = TestClient(make_app(CollectorSettings(data=str(stored.root)), stored.database, Health()))
    answer = client.get("/metrics")
    families = {family.name: family for family in text_string_to_metric_families(answer.text)}

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    events = {(s.labels["kind"], s.labels["trap"]): s.value for s in families["uncia_events"].samples}
    assert (events["sequences", ""], events["frames", ""], events["garbage", "ridge"]) == (1, 2, 1)
    types = {name: family.type for name, family in families.items()}
    assert types == {
        "uncia_events": "counter", "uncia_chunks_waiting": "gauge", "uncia_trap_silence_seconds": "gauge",
        "uncia_trap_overdue": "gauge", "uncia_broker_connected": "gauge", "uncia_storing": "gauge",
        "uncia_storage_refusals": "counter", "uncia_dropped": "counter", "uncia_sightings": "gauge",
    }  # fmt: skip
    values = {name: family.samples[0].value for name, family in families.items() if len(family.samples) == 1}
    assert (values["uncia_storing"], values["uncia_dropped"], values["uncia_storage_refusals"]) == (0, 2, 5)
