"""Which bundle decides: configured, installed, offered, last good, trusted."""
