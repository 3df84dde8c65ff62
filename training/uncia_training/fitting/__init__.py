"""Fitting of heads: penalty, calibration, threshold, and held-out figures with intervals."""
