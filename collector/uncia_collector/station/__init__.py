"""Alerts, Home Assistant, commands to traps."""
