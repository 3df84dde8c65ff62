"""`uncia-trap`: run, log, score, doctor, bench."""
