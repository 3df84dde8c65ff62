"""A copy of the station, catalogue and frames together, and a station made of such a copy."""
