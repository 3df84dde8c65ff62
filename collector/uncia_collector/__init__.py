"""The base station: a catalogue of what the traps saw."""
