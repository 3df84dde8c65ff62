"""What the station sends: alerts of sightings, Home Assistant's discovery messages, commands to traps."""
