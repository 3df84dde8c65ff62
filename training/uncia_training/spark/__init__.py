"""Computes features, fits and scores on a Spark cluster."""
