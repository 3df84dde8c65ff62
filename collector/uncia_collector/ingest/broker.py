"""The connection to the broker: identity (name, password or certificate), topics, and a check that it accepts both.

`subscriber` handles the messages.
"""

import os
import queue
from pathlib import Path
from typing import Literal

import msgspec
from paho.mqtt import client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from uncia_collector.settings import BrokerSettings
from uncia_contract.errors import BrokerError, ConfigurationError
from uncia_contract.messages.tls import tls_of


def broker_client(settings: BrokerSettings) -> mqtt.Client:
    """An MQTT client with the identity in `settings`; it does not acknowledge messages by itself.

    Raises:
        ConfigurationError: the password file or a TLS file is missing or invalid.
    """
    client = mqtt.Client(CallbackAPIVersion.VERSION2, settings.client_id, protocol=mqtt.MQTTv5, manual_ack=True)
    client.reconnect_delay_set(1, 30)
    client.suppress_exceptions = True  # else an exception in a callback ends the network thread without a log
    if settings.username:
        client.username_pw_set(settings.username, _password(settings.password_file))
    if tls := tls_of(settings.ca, settings.certificate, settings.key):
        client.tls_set_context(tls.context())
    return client


def identity_of(settings: BrokerSettings, program: Literal["check", "ask"]) -> BrokerSettings:
    """The broker settings for another program of the station: its own client id and, with mutual TLS, certificate.

    With the collector's identity, the broker would end the collector's session.

    Raises:
        ConfigurationError: the connection uses mutual TLS, and the program has no certificate.
    """
    certificate, key = getattr(settings, f"{program}_certificate"), getattr(settings, f"{program}_key")
    if settings.certificate and not certificate:
        raise ConfigurationError(
            f"[broker] {program}_certificate and {program}_key are missing: `uncia-collect certificates init` makes "
            f"{program}.pem and {program}.key"
        )
    client_id = f"{settings.client_id}-{program}-{os.urandom(3).hex()}"
    return msgspec.structs.replace(settings, client_id=client_id, certificate=certificate, key=key)


def connect(client: mqtt.Client, settings: BrokerSettings) -> None:
    """Connect now.

    Raises:
        BrokerError: the broker cannot be reached.
    """
    try:
        client.connect(settings.host, settings.port, settings.keepalive_s)
    except OSError as error:
        where = f"broker {settings.host}:{settings.port}"
        raise BrokerError(f"{where}: {error.strerror or error}; is it running, and is [broker] right?") from error


def _password(file: str) -> str | None:
    try:
        return Path(file).read_text().strip() if file else None
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise ConfigurationError(f"[broker] {file}: {reason}") from error


def heard_topics(root: str, group: str = "") -> list[str]:
    """The topics that a collector subscribes to. Members of a group share sequences and the doctor's questions."""
    shared = f"$share/{group}/" if group else ""
    return [
        *(f"{root}/+/availability", f"{root}/+/state"),
        *(f"{shared}{root}/+/sequence/#", f"{shared}{root}/+/doctor"),
    ]


def check_broker(settings: BrokerSettings, root: str, timeout_s: float = 5.0) -> None:
    """Check that the broker accepts the connection and the subscriptions.

    Raises:
        BrokerError: the broker cannot be reached, or it refuses one of them; the message says which.
    """
    answers: queue.Queue[str] = queue.Queue()
    client = broker_client(identity_of(settings, "check"))
    client.on_connect = lambda _c, _d, _f, reason, _p: (
        answers.put(str(reason)) if reason.is_failure else _listen_in(client, root)
    )
    client.on_subscribe = lambda _c, _d, _m, reasons, _p: answers.put(_refusal(reasons))
    connect(client, settings)
    client.loop_start()
    try:
        refusal = answers.get(timeout=timeout_s)
    except queue.Empty:
        refusal = f"no answer within {timeout_s:g} s"
    finally:
        client.disconnect()
        client.loop_stop()
    if refusal:
        raise BrokerError(f"broker {settings.host}:{settings.port}: {refusal}")


def publish_once(settings: BrokerSettings, topic: str, payload: bytes, timeout_s: float = 5.0) -> None:
    """Publish one message with the identity of `check`; return when the broker has it.

    Raises:
        BrokerError: the broker cannot be reached, or it refuses the message.
    """
    answers: queue.Queue[ReasonCode] = queue.Queue()
    client = broker_client(identity_of(settings, "check"))

    def send(_client: mqtt.Client, _data: object, _flags: object, _reason: ReasonCode, _more: object) -> None:
        client.publish(topic, payload, qos=1)

    client.on_connect = send
    client.on_publish = lambda _c, _d, _m, reason, _p: answers.put(reason)
    connect(client, settings)
    client.loop_start()
    try:
        reason = answers.get(timeout=timeout_s)
    except queue.Empty as error:
        raise BrokerError(f"broker {settings.host}:{settings.port}: no answer within {timeout_s:g} s") from error
    finally:
        client.disconnect()
        client.loop_stop()
    if reason.is_failure:
        raise BrokerError(f"broker {settings.host}:{settings.port}: {topic}: {reason}; is its access list right?")


def _listen_in(client: mqtt.Client, root: str) -> None:
    """Subscribe without the group's shared subscription, which would take messages from its members."""
    only_news = SubscribeOptions(qos=0, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
    client.subscribe([(topic, only_news) for topic in heard_topics(root)])


def _refusal(reasons: list[ReasonCode]) -> str:
    """The error text for the broker's answers to a subscription; empty if it accepted all topics."""
    refused = [str(reason) for reason in reasons if reason.is_failure]
    return f"traps' messages may not be read: {refused[0]}; is its access list right?" if refused else ""
