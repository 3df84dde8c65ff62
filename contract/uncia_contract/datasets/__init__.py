"""Labelled pictures as others hand them over; no running trap imports it."""
