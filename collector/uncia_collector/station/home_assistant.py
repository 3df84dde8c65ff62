"""Messages for Home Assistant's MQTT device discovery: each trap as a device with its sensors. Off by default.

See https://www.home-assistant.io/integrations/mqtt. Availability comes from the trap's own topic. Outbox, battery,
bundle and sightings come from topics below the discovery topic, so that Home Assistant needs no right to read the
trap's state, which may hold its place.
"""

import json

from uncia_collector.station.alert_channels import home_topic
from uncia_contract.messages.records import TrapState
from uncia_contract.messages.topics import Topics


def announcement(state: TrapState, root: str) -> list[tuple[str, bytes]]:
    """The retained messages about a trap, as (topic, payload): its description, and its present values."""
    device = f"homeassistant/device/uncia_{state.trap}"
    known = {
        "waiting": state.outbox_sequences,
        "battery": state.battery_v,
        "bundle": f"{state.bundle.name} {state.bundle.version}",
        "positives": state.counters.positives,
    }
    discovery = _discovery(Topics(state.trap, root), f"{device}/state")
    return [(f"{device}/config", json.dumps(discovery).encode()), (f"{device}/state", json.dumps(known).encode())]


def _discovery(topics: Topics, state_topic: str) -> dict[str, object]:
    def sensor(name: str, **more: str) -> dict[str, str]:
        return {
            "platform": "sensor", "name": name, "unique_id": f"uncia_{topics.trap}_{name}",
            "state_topic": state_topic, "value_template": f"{{{{ value_json.{name} }}}}",
        } | more  # fmt: skip

    return {
        "device": {"identifiers": [f"uncia_{topics.trap}"], "name": f"Trap {topics.trap}", "manufacturer": "uncia"},
        "origin": {"name": "uncia"},
        "availability_topic": topics.availability,
        "payload_available": "online",
        "payload_not_available": "offline",
        "components": {
            "waiting": sensor("waiting"),
            "battery": sensor("battery", device_class="voltage", unit_of_measurement="V"),
            "bundle": sensor("bundle"),
            "positives": sensor("positives", state_class="total_increasing"),
            "sighting": {
                "platform": "event",
                "name": "sighting",
                "unique_id": f"uncia_{topics.trap}_sighting",
                "event_types": ["sighting"],
                "state_topic": home_topic(topics.trap),
            },
        },
    }
