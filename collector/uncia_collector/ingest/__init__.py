"""Receives MQTT messages, stores them as rows and files, and sends receipts."""
