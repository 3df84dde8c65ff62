"""Home Assistant's MQTT device discovery: each trap as a device with its sensors. Off by default.

Decides what is announced (https://www.home-assistant.io/integrations/mqtt): presence, outbox, battery, bundle, from the
trap's own retained topics; no coordinates.
"""

import json

from uncia_contract.topics import Topics


def discovery(trap: str, root: str) -> tuple[str, bytes]:
    """(topic, payload) of a trap's retained announcement."""
    topics = Topics(trap, root)

    def sensor(name: str, template: str, **more: str) -> dict[str, str]:
        return {
            "platform": "sensor", "name": name, "unique_id": f"uncia_{trap}_{name}".replace(" ", "_"),
            "state_topic": topics.state, "value_template": template,
        } | more  # fmt: skip

    announcement = {
        "device": {"identifiers": [f"uncia_{trap}"], "name": f"Trap {trap}", "manufacturer": "uncia"},
        "origin": {"name": "uncia"},
        "availability_topic": topics.availability,
        "payload_available": "online",
        "payload_not_available": "offline",
        "components": {
            "waiting": sensor("waiting", "{{ value_json.outbox_sequences }}"),
            "battery": sensor("battery", "{{ value_json.battery_v }}", device_class="voltage", unit_of_measurement="V"),
            "bundle": sensor("bundle", "{{ value_json.bundle.name }} {{ value_json.bundle.version }}"),
            "positives": sensor("positives", "{{ value_json.counters.positives }}", state_class="total_increasing"),
        },
    }
    return f"homeassistant/device/uncia_{trap}/config", json.dumps(announcement).encode()
