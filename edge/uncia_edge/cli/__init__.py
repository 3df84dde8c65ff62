"""The command `uncia-trap`: setup, run, pass, try, log, score, doctor, bench."""
