"""The connection to the broker: identity, topics, and a check that both are accepted.

Decides the identity (name, password or certificate) and the topics; `subscriber` decides what happens to messages.
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
    """A client with our identity; messages are acknowledged by hand.

    Raises:
        ConfigurationError: the password or a TLS file is missing or is not what it should be.
    """
    client = mqtt.Client(CallbackAPIVersion.VERSION2, settings.client_id, protocol=mqtt.MQTTv5, manual_ack=True)
    client.reconnect_delay_set(1, 30)
    client.suppress_exceptions = True  # else an exception in a callback would end the network thread in silence
    if settings.username:
        client.username_pw_set(settings.username, _password(settings.password_file))
    if tls := tls_of(settings.ca, settings.certificate, settings.key):
        client.tls_set_context(tls.context())
    return client


def identity_of(settings: BrokerSettings, program: Literal["check", "ask"]) -> BrokerSettings:
    """The same broker for another program of the station: its own client id and, with mutual TLS, certificate.

    Under the collector's own the broker would end the collector's session.

    Raises:
        ConfigurationError: mutual TLS, and no certificate for that program.
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
        BrokerError: nobody listens there.
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
    """What a collector hears; members of a group share sequences and questions."""
    shared = f"$share/{group}/" if group else ""
    return [
        *(f"{root}/+/availability", f"{root}/+/state"),
        *(f"{shared}{root}/+/sequence/#", f"{shared}{root}/+/doctor"),
    ]


def check_broker(settings: BrokerSettings, root: str, timeout_s: float = 5.0) -> None:
    """Return when the broker lets us in, and hear the traps.

    Raises:
        BrokerError: nobody listens there, or it refuses us; the message says which.
    """
    answers: queue.Queue[str] = queue.Queue()
    client = broker_client(identity_of(settings, "check"))
    client.on_connect = lambda _c, _d, _f, reason, _p: (
        answers.put(str(reason)) if reason.is_failure else _listen_in(client, root)
    )
    client.on_subscribe = lambda _c, _d, _m, reasons, _p: answers.put(_unheard(reasons))
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
    """Publish a message under the identity of `check`.

    Raises:
        BrokerError: nobody listens there, or it refuses the message.
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
    """Not as a member of a group: that would take messages from the others."""
    only_news = SubscribeOptions(qos=0, retainHandling=SubscribeOptions.RETAIN_DO_NOT_SEND)
    client.subscribe([(topic, only_news) for topic in heard_topics(root)])


def _unheard(reasons: list[ReasonCode]) -> str:
    """What to say of the broker's answers to a subscription; nothing where all is heard."""
    refused = [str(reason) for reason in reasons if reason.is_failure]
    return f"what traps send may not be heard: {refused[0]}; is its access list right?" if refused else ""
