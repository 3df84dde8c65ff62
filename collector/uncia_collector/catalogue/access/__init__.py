"""Who did what at the station, for its administrators."""
