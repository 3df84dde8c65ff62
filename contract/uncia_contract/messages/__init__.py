"""What trap and collector say to each other: records, topics, TLS."""
