"""A collector without a disk, on a real broker: it acknowledges and sends receipts like the real one."""

import threading

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion
from paho.mqtt.subscribeoptions import SubscribeOptions

from support.fake_link import ScriptedCollector
from uncia_contract.messages.records import encode
from uncia_contract.messages.topics import Topics


class BrokerCollector:
    """Serves one trap on a broker until `stop`. `store` holds what came, `received_bytes` counts all bytes."""

    def __init__(self, host: str, port: int, topics: Topics) -> None:
        self.store = ScriptedCollector(topics)
        self.received_bytes = 0
        self.ready = threading.Event()
        self._topics = topics
        self._client = mqtt.Client(CallbackAPIVersion.VERSION2, "collector", protocol=mqtt.MQTTv5)
        self._client.on_connect = lambda client, *_: client.subscribe(
            [
                (topic, SubscribeOptions(qos=1))
                for topic in (f"{topics.base}/sequence/#", topics.state, topics.availability)
            ]
        )
        self._client.on_subscribe = lambda *_: self.ready.set()
        self._client.on_message = self._take
        self._client.connect(host, port, clean_start=True)
        self._client.loop_start()

    def stop(self) -> None:
        """Disconnect."""
        self._client.disconnect()
        self._client.loop_stop()

    def _take(self, _: mqtt.Client, __: object, message: mqtt.MQTTMessage) -> None:
        if not message.topic.startswith(self._topics.base + "/sequence/"):
            return
        self.received_bytes += len(message.payload)
        receipt = self.store.take(message.topic, bytes(message.payload))
        if receipt is not None:
            self._client.publish(self._topics.receipt, encode(receipt), qos=1)
