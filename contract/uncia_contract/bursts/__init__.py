"""Which frames belong together, what moved in them, and what the verdict is."""
