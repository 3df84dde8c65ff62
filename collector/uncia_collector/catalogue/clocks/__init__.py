"""Clocks that went wrong: the one place where a sequence's time is corrected."""
