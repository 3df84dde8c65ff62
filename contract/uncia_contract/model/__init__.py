"""Bundle, manifest, head, probes, interpreter, activation maps."""
