"""Publish one sequence by hand, as a trap does, and wait for the base station's receipt.

python examples/publish_sequence.py HOST PORT TRAP PICTURE [PICTURE ...]

For TLS, give paho a context (`client.tls_set_context`). docs/delivery.md describes the messages.
"""

import hashlib
import queue
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path

from paho.mqtt import client as mqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from uncia_contract.messages.records import (
    BundleIdentity,
    ClockTrust,
    FrameEntry,
    Receipt,
    SequenceRecord,
    decode,
    encode,
)
from uncia_contract.messages.topics import Topics

host, port, trap, files = sys.argv[1], int(sys.argv[2]), sys.argv[3], [Path(file) for file in sys.argv[4:]]
now, topics = datetime.now(UTC), Topics(trap)
contents = [file.read_bytes() for file in files]
record = SequenceRecord(
    id=f"{trap}-{now:%Y%m%d%H%M%S}",
    trap=trap,
    event=f"{trap}-{now:%Y%m%d%H%M%S}",
    started_at=now,
    ended_at=now,
    clock=ClockTrust(synchronised=True, boot_id="by-hand", boottime_s=0.0),
    frames=tuple(
        FrameEntry(n, file.name, hashlib.sha256(content).hexdigest(), len(content), now, 0.9)
        for n, (file, content) in enumerate(zip(files, contents, strict=True))
    ),
    frames_scored=len(files),
    confidence=0.9,
    upper_bound=False,
    threshold=0.5,
    positive=True,
    label="snow_leopard",
    bundle=BundleIdentity("by-hand", 1, "0" * 64),
)

receipts: queue.Queue[Receipt] = queue.Queue()
subscribed = threading.Event()
client = mqtt.Client(mqtt.CallbackAPIVersion.VERSION2, client_id=trap, protocol=mqtt.MQTTv5)
client.on_connect = lambda *_: client.subscribe(topics.receipt, qos=1)
client.on_subscribe = lambda *_: subscribed.set()
client.on_message = lambda _client, _data, message: receipts.put(decode(message.payload, Receipt))
client.connect(host, port)
client.loop_start()
subscribed.wait(60)
client.publish(topics.record(record.id), encode(record), qos=1)
for entry, content in zip(record.frames, contents, strict=True):
    about = Properties(PacketTypes.PUBLISH)
    about.UserProperty = [("sha256", entry.sha256), ("size", str(entry.size))]
    for start in range(0, entry.size, 64 * 1024):
        chunk = content[start : start + 64 * 1024]
        client.publish(topics.chunk(record.id, entry.n, start), chunk, qos=1, properties=about)
while not (receipt := receipts.get(timeout=60)).complete:
    if receipt.refused is not None:
        sys.exit(f"refused: {receipt.refused}")
client.disconnect()
print(f"{record.id}: the base station has stored the record and {len(files)} frames")
