"""Sends sequences from the outbox to the broker until the collector's receipt."""
