"""Chooses the bundle that scores: the configured one, an installed one, or the last good one; checks signatures."""
