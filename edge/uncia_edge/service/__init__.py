"""The running trap: wiring, watchdog, health, commands, sleep."""
