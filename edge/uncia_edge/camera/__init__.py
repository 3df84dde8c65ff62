"""Cameras: a recorded folder, a watched folder, the Pi's own camera. They give bursts."""
