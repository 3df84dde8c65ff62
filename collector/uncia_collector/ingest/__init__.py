"""MQTT messages to committed rows and files, and the receipts for them."""
