"""Features, fits and scores on a cluster."""
