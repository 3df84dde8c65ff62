"""The model bundle and how it is run: manifest, head, probes, interpreter, activation maps."""
