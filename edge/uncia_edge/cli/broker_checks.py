"""The checks of `uncia-trap doctor` between trap and base station: broker, access list, collector.

While the service runs, its own report of the connection is read and nothing is tried. Otherwise doctor makes the
connection that the trap would make and sends a question that the collector answers with a receipt. It never publishes a
state, an availability or a last will.
"""

import os
import queue
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from uncia_contract.errors import BrokerError, ConfigurationError, MessageError, StorageError
from uncia_contract.messages.records import DoctorQuestion, Receipt, decode, encode
from uncia_contract.messages.tls import Tls, tls_of
from uncia_contract.messages.topics import Topics
from uncia_edge.cli.trap_checks import Line
from uncia_edge.delivery.link import (
    NOBODY_LISTENS,
    NOT_AUTHORISED,
    Acknowledged,
    Connected,
    Disconnected,
    Event,
    Link,
    MqttMessage,
    Received,
    broker_of,
)
from uncia_edge.outbox.state_folder import MEMORY, is_claimed
from uncia_edge.service.link_report import FILE, LinkStatus, read_status
from uncia_edge.settings import TrapSettings

_REFUSAL_S = 1.0  # how long a broker may take to refuse our certificate
ANSWER_S = 10.0  # how long to wait for broker and collector
LINGER_S = 3.0  # another trap with this id reconnects within two seconds and takes the connection over
_TWO = "give each trap an id and a certificate of its own; a copied card has both of the first trap"
_ACCESS = (
    "compare the certificate's name with `trap`, and the broker's access list with the shipped one (it needs"
    " `pattern write .../%u/doctor` since this version)"
)
_COLLECTOR = "systemctl status uncia-collector at the base station; it must not be older than the trap"

_TLS_REMEDIES = {
    "mismatch": "set [broker] host to a name in the broker's certificate, or make one with this name",
    "expired": "check the clock first; then renew the broker's certificate",
    "not yet valid": "check the clock first; then the broker's certificate",
    "certificate verify failed": "[broker] ca is not the authority of the broker's certificate: copy ca.pem again",
    "ALERT_UNKNOWN_CA": "the broker does not know the authority of this trap's certificate: make one at the station",
    "ALERT_CERTIFICATE": "the broker refuses this trap's certificate: it is missing, expired or revoked",
    "WRONG_VERSION": "the port has no TLS: [broker] port is 8883 with ca, 1883 without",
}


def lines(settings: TrapSettings) -> Iterator[Line]:
    """Yield the running service's report; without a service, check broker, connection and collector."""
    try:
        is_running = is_claimed(Path(settings.state))
    except StorageError as error:
        yield Line("connection", "failed", f"not tried: {error}", "run doctor as root")
        return
    if is_running:
        yield service_line(settings)
        return
    reached = broker_line(settings)
    yield reached
    if reached.status == "ok":
        yield from connection_lines(settings)


def service_line(settings: TrapSettings) -> Line:
    """The connection of the running service, from its report."""
    folder = MEMORY if (MEMORY / FILE).exists() else Path(settings.state)
    try:
        status = read_status(folder)
    except OSError as error:
        return Line("connection", "failed", f"{folder / FILE}: {error.strerror}", "run doctor as root")
    if status is None:
        return Line(
            "connection", "warning", "the service runs and has no report of its link", "systemctl restart uncia-trap"
        )
    where = f"{settings.broker.host}:{settings.broker.port}"
    if status.problem is not None:
        return Line("connection", "failed", status.problem, _TWO)
    if status.refused is not None and status.refused_at is not None:
        code, at = f"reason code 0x{status.refused:02x}", _clock(status.refused_at)
        told = f"the broker at {where} refused what the service sent ({code}, {at}); no receipt came since"
        return Line("connection", "failed", told, _remedy_for(status.refused))
    if not status.connected:
        told = f"the service has no link to {where} since {_clock(status.since)}: {status.reason}"
        return Line("connection", "warning" if status.code is None else "failed", told, _remedy_for(status.code))
    return Line("connection", "ok", f"the service is connected to {where} since {_clock(status.since)}{_last(status)}")


def _last(status: LinkStatus) -> str:
    return f", last receipt {_clock(status.receipt_at)}" if status.receipt_at else ", no receipt yet"


def _clock(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def connection_lines(settings: TrapSettings) -> Iterator[Line]:
    """Connect and subscribe as the trap does, and ask the collector."""
    topics = Topics(settings.trap, settings.root)
    link = Link(broker_of(settings.broker), topics, last_will=False)
    link.open()
    try:
        event: Connected | Disconnected | None = _next(link, _connection_event)
        if not isinstance(event, Connected):
            ended = event or Disconnected(f"no answer within {ANSWER_S:g} s")
            yield Line("connection", "failed", ended.reason, _remedy_for(ended.code))
            return
        yield Line("connection", "ok", f"the broker accepts {settings.trap} as a client")
        yield _ask(link, topics)
    finally:
        link.close()


def _ask(link: Link, topics: Topics) -> Line:
    """Check that the collector answers, and that no other program connects with this id."""
    question, began_s = DoctorQuestion(f"doctor-{os.urandom(6).hex()}"), time.monotonic()
    message = MqttMessage(topics.doctor, encode(question), expires_s=60)
    try:
        mid = link.publish(message)
    except BrokerError as error:
        return Line("collector", "failed", str(error), _TWO)
    answer: Answer | None = _next(link, lambda event: _answer(event, mid, question.id, topics))
    if answer != "receipt":
        return _not_answered(answer, topics.trap)
    took_s = time.monotonic() - began_s
    ended: Disconnected | None = _next(link, _end, LINGER_S)
    if ended is not None:
        return _not_answered(ended, topics.trap)
    return Line("collector", "ok", f"it answered {topics.trap}; its receipt arrived after {took_s:.1f} s")


Answer = Disconnected | int | str


def _connection_event(event: Event) -> Connected | Disconnected | None:
    return event if isinstance(event, Connected | Disconnected) else None


def _end(event: Event) -> Disconnected | None:
    return event if isinstance(event, Disconnected) else None


def _answer(event: Event, mid: int, question: str, topics: Topics) -> Answer | None:
    """The event that ends the wait: the receipt, the broker's refusal or the end of the connection; else None."""
    match event:
        case Disconnected():
            return event
        case Acknowledged(known, code) if known == mid and (code >= 0x80 or code == NOBODY_LISTENS):
            return code
        case Received(topic, payload) if topic == topics.receipt:
            with suppress(MessageError):
                return "receipt" if decode(payload, Receipt).sequence == question else None
    return None


def _not_answered(answer: Answer | None, trap: str) -> Line:
    match answer:
        case Disconnected(reason, code, taken_over):
            told = f"{reason}: another program connects as {trap}?" if taken_over else reason
            return Line("collector", "failed", told, _TWO if taken_over else _remedy_for(code))
        case int(code) if code == NOBODY_LISTENS:
            return Line("collector", "warning", "no collector is connected to the broker", _COLLECTOR)
        case int(code):
            told = f"the broker lets {trap} connect but refuses what it publishes (reason code 0x{code:02x})"
            return Line("collector", "failed", told, _remedy_for(code))
    return Line("collector", "warning", f"no receipt within {ANSWER_S:g} s", _COLLECTOR)


def _next(link: Link, wanted: Callable[[Event], Any], timeout_s: float | None = None) -> Any:
    """The first result of `wanted(event)` that is not None; None if there is none within the time."""
    deadline_s = time.monotonic() + (ANSWER_S if timeout_s is None else timeout_s)
    while (left_s := deadline_s - time.monotonic()) > 0:
        with suppress(queue.Empty):
            found = wanted(link.events.get(timeout=left_s))
            if found is not None:
                return found
    return None


def _remedy_for(code: int | None) -> str:
    """What to do about the broker's reason code; `code` is None if it gave none."""
    match code:
        case None:
            return "sequences wait on disk; check antenna and address, and that the broker runs"
        case _ if code == NOT_AUTHORISED:
            return _ACCESS
    return "the broker's log says more: journalctl -u mosquitto at the base station"


def broker_line(settings: TrapSettings) -> Line:
    """Check that the broker is there and, with TLS, that it and the trap accept each other's certificate."""
    where = f"{settings.broker.host}:{settings.broker.port}"
    try:
        with socket.create_connection((settings.broker.host, settings.broker.port), 5) as wire:
            tls = tls_of(settings.broker.ca, settings.broker.certificate, settings.broker.key)
            if tls is not None:
                _shake_hands(wire, tls, settings.broker.host)
    except (ssl.SSLError, ConfigurationError) as error:
        return Line("broker", "failed", f"{where}: {error}", _remedy_of(error))
    except OSError as error:
        return Line("broker", "warning", f"{where}: {error.strerror or error}", _remedy_for(None))
    return Line("broker", "ok", f"{where} {'and the trap accept each other' if tls else 'accepts connections'}")


def _remedy_of(error: Exception) -> str:
    """What to do if TLS fails between broker and trap."""
    text = str(error)
    if isinstance(error, ConfigurationError):
        by_systemd = "/run/credentials/" in text
        return (
            "systemd gives the key only to the running service: systemctl start uncia-trap, then run doctor again"
            if by_systemd
            else "correct the path in trap.toml, or copy the file from the base station"
        )
    for word, remedy in _TLS_REMEDIES.items():
        if word in text:
            return remedy
    return "compare the ca of both; check the clock; see journalctl -u mosquitto at the base station"


def _shake_hands(wire: socket.socket, tls: Tls, host: str) -> None:
    """Make a TLS connection; raises ssl.SSLError if one side refuses the other's certificate."""
    with tls.context().wrap_socket(wire, server_hostname=host) as secure:
        secure.settimeout(_REFUSAL_S)
        with suppress(TimeoutError):
            secure.recv(1)  # with TLS 1.3 the refusal of a certificate arrives only here
