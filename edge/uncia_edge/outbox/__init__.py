"""The outbox: sequences stored on the card until their receipts, and what is deleted when the card fills."""
