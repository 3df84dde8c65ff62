"""The access log, and the protection of pictures that show people."""
