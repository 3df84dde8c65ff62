"""Pictures in: recorded, watched, the Pi's own camera."""
