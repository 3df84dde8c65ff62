"""Penalty, calibration, threshold; the head."""
