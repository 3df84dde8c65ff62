"""Scoring an archive, sorting it, evaluation of a bundle."""
