"""The trap: cameras, scoring, outbox and delivery."""
