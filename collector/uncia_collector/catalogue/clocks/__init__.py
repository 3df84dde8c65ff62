"""Correction of sequences' times where a trap's clock was wrong."""
