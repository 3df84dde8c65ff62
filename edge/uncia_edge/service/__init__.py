"""The running trap: runtime, watchdog, state messages, commands, planned sleep."""
