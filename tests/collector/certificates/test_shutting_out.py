"""Attacks with a stolen trap's certificate on a real Mosquitto (shipped configuration), and shutting it out."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from tests.conftest import MOSQUITTO

from support.shipped_broker import ShippedBroker, shipped_broker
from uncia_collector.cli.main import main

pytestmark = pytest.mark.heavy


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[ShippedBroker]:
    if MOSQUITTO is None:
        pytest.skip("NO MOSQUITTO: install Debian's package `mosquitto`; the attacks were not tried")
    with shipped_broker(tmp_path) as broker:
        yield broker


class Client:
    """A client with a certificate that connects again and again, and counts its connections."""

    def __init__(self, broker: ShippedBroker, name: str, client_id: str = "", session_s: int = 0) -> None:
        self.connects, self.heard = list[bool](), list[str]()  # of each connection: was a session there?
        self.client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id or name, protocol=mqtt.MQTTv5)
        self.client.reconnect_delay_set(1, 1)
        self.client.tls_set_context(broker.authority.issue(name).context())
        self.client.on_connect = lambda _c, _d, flags, *_: self.connects.append(flags.session_present)
        self.client.on_message = lambda _c, _d, message: self.heard.append(message.topic)
        session = Properties(PacketTypes.CONNECT)
        session.SessionExpiryInterval = session_s
        self.client.connect("localhost", broker.port, clean_start=not session_s, properties=session)
        self.client.loop_start()
        wait(self.client.is_connected)

    def close(self) -> None:
        self.client.disconnect()
        self.client.loop_stop()


def wait(condition: Callable[[], object], within_s: float = 10.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "too late"
        time.sleep(0.02)


def certificates(broker: ShippedBroker, what: str, *words: str) -> int:
    place = ["--port", str(broker.port), "--crl", str(broker.folder / "crl.pem"), "--reload", broker.reload]
    return main(["certificates", what, str(broker.authority.folder.path), *words, *place])


def test_a_trap_under_the_collectors_client_id_throws_nobody_out(broker: ShippedBroker) -> None:
    """Attack: the client ids of the station's programs, with a trap's certificate. The broker takes the id from it."""
    collector = Client(broker, "Collector", session_s=600)
    thieves = [Client(broker, "ridge-01", claimed) for claimed in ("uncia-collector", "Collector", "Ask", "Check")]
    time.sleep(1.5)  # a client that was thrown out would have connected again by now, and counted it
    assert (collector.connects, collector.client.is_connected()) == ([False], True)
    for one in (*thieves, collector):
        one.close()


def test_a_thief_who_is_connected_is_shut_out_by_one_command(
    broker: ShippedBroker, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its session ends and it cannot connect again; the collector and another trap stay connected."""
    thief, others = (
        Client(broker, "ridge-01", session_s=600),
        [Client(broker, name) for name in ("valley-02", "Collector")],
    )
    began_s = time.monotonic()
    assert certificates(broker, "revoke", "ridge-01") == 0
    assert time.monotonic() - began_s < 60
    assert "1 revoked, refused by the broker, sessions ended" in capsys.readouterr().out
    wait(lambda: not thief.client.is_connected())
    time.sleep(2.5)  # it tries every second
    assert (thief.connects, thief.client.is_connected()) == ([False], False)
    assert all(one.connects == [False] and one.client.is_connected() for one in others)
    for one in (thief, *others):
        one.close()


def test_a_second_thief_is_shut_out_after_the_first(broker: ShippedBroker) -> None:
    """The broker uses the later of two revocation lists."""
    thieves = [Client(broker, name) for name in ("ridge-01", "valley-02")]
    for name in ("ridge-01", "valley-02"):
        assert certificates(broker, "revoke", name) == 0
    time.sleep(2.5)
    assert [thief.client.is_connected() for thief in thieves] == [False, False]
    for thief in thieves:
        thief.close()


def test_a_ticket_from_before_the_revocation_is_refused(broker: ShippedBroker) -> None:
    """A resumed TLS session sends no certificate; Mosquitto checks the list nevertheless (TLS 1.2 and 1.3)."""
    context = broker.authority.issue("ridge-01").context()
    saved = [handshake(broker, context, version) for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3)]
    assert [session.has_ticket for session in saved] == [True, True]
    assert certificates(broker, "revoke", "ridge-01") == 0
    for session, version in zip(saved, (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3), strict=True):
        with pytest.raises(OSError, match=r"REVOKED|EOF|reset|hung up"):
            handshake(broker, context, version, session)


def handshake(broker: ShippedBroker, context: ssl.SSLContext, version: ssl.TLSVersion, session: Any = None) -> Any:
    """The TLS session of a connection whose MQTT CONNECT the broker answered."""
    context.maximum_version = version
    plain = socket.create_connection(("localhost", broker.port), 10)
    with context.wrap_socket(plain, server_hostname="localhost", session=session) as secure:
        secure.sendall(b"\x10\x12\x00\x04MQTT\x05\x02\x00\x3c\x00\x00\x05raw-x")
        if not secure.recv(10):
            raise ConnectionError("hung up")
        return secure.session


def test_a_reload_alone_leaves_the_thief_connected(broker: ShippedBroker) -> None:
    """Mosquitto checks the list only when a client connects; this is why the session is ended too."""
    thief = Client(broker, "ridge-01")
    folder = broker.authority.folder
    folder.revoke(["ridge-01"])
    folder.write_lists()
    broker.install()
    broker.process.send_signal(1)
    time.sleep(1.5)
    assert thief.client.is_connected()
    thief.close()


def test_after_a_renewal_both_certificates_connect_until_the_older_is_revoked(
    broker: ShippedBroker, tmp_path: Path
) -> None:
    """Then the trap with the new certificate can connect, and the one with the old certificate cannot."""
    old = Client(broker, "ridge-01")
    assert main(["certificates", "renew", str(broker.authority.folder.path), "ridge-01"]) == 0
    new = Client(broker, "ridge-01")
    wait(lambda: len(old.connects) > 1)  # both can connect; one name has one session
    assert certificates(broker, "revoke", "--older", "ridge-01") == 0
    wait(new.client.is_connected)
    time.sleep(2.5)
    assert (new.client.is_connected(), old.client.is_connected()) == (True, False)
    old.close()
    new.close()


def test_an_upgrade_removes_the_durable_session_of_release_0_1(broker: ShippedBroker) -> None:
    """The session of `uncia-collector`, a name that no certificate has; the broker would queue all messages for it."""
    text = broker.configuration.read_text()
    broker.stop()
    broker.configuration.write_text(text.replace("use_username_as_clientid true\n", ""))
    broker.start()
    Client(broker, "Collector", "uncia-collector", session_s=600).close()
    broker.stop()
    broker.configuration.write_text(text)
    broker.start()
    assert certificates(broker, "end-session", "uncia-collector") == 0
    broker.stop()
    broker.configuration.write_text(text.replace("use_username_as_clientid true\n", ""))
    broker.start()
    after = Client(broker, "Collector", "uncia-collector", session_s=600)
    assert after.connects == [False]
    after.close()


@pytest.mark.parametrize(
    ("place", "says"),
    [
        (["--reload", "false"], "'false' ended with exit code 1"),
        (["--crl", "nowhere.pem"], "nowhere.pem: No such file"),
        (["--port", "1"], "the certificates are revoked, but the broker may not know it yet"),
    ],
    ids=["no reload", "another file", "no broker"],
)
def test_a_failure_to_shut_out_is_said_in_one_line(
    broker: ShippedBroker, capsys: pytest.CaptureFixture[str], place: list[str], says: str
) -> None:
    """With exit code 2, so that nobody believes it is done; the same command works once the cause is corrected."""
    broker.authority.issue("ridge-01")
    arguments = ["--port", str(broker.port), "--crl", str(broker.folder / "crl.pem"), "--reload", broker.reload, *place]
    code = main(["certificates", "revoke", str(broker.authority.folder.path), "ridge-01", *arguments])
    error = capsys.readouterr().err
    assert (code, says in error, error.count("\n")) == (2, True, 1), error
    assert certificates(broker, "revoke", "ridge-01") == 0
