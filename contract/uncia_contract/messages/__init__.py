"""Messages between trap and collector: records, topics, byte ranges, TLS."""
