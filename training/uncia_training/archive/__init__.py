"""Scores and sorts an archive, suggests sequences to label, and evaluates bundles."""
