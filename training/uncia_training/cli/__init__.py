"""`uncia-train`: one module a command."""
